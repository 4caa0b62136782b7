"""Replace the leases of claimed events by the drainer's lock, and count only failures as attempts.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

SCHEMA = "hostaway"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.drop_column("webhook_events", "claimed_until", schema=SCHEMA)
    comment = "Since then a drainer holds it; null: free"
    op.add_column("webhook_events", sa.Column("claimed_at", INSTANT, comment=comment), schema=SCHEMA)
    comment = "Since then it is worked on; null: it waits"
    op.add_column("webhook_events", sa.Column("begun_at", INSTANT, comment=comment), schema=SCHEMA)
    op.alter_column("webhook_events", "attempts", comment="Times that it failed by its own fault", schema=SCHEMA)
    # Until now each claim counted as an attempt, and an event that waited was claimed repeatedly.
    op.execute(f"UPDATE {SCHEMA}.webhook_events SET attempts = 0 WHERE status = 'pending' AND attempts > 0")  # noqa: S608


def downgrade() -> None:
    op.alter_column("webhook_events", "attempts", comment="Times that the event was claimed", schema=SCHEMA)
    op.drop_column("webhook_events", "begun_at", schema=SCHEMA)
    op.drop_column("webhook_events", "claimed_at", schema=SCHEMA)
    comment = "Lease of the drainer that works on it"
    op.add_column("webhook_events", sa.Column("claimed_until", INSTANT, comment=comment), schema=SCHEMA)
