"""Index webhook logins, so that each is found by one look-up.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"

SCHEMA = "hostaway"
LOGINS = ("webhook_login", "webhook_previous_login")


def upgrade() -> None:
    for column in LOGINS:
        op.create_index(f"accounts_{column}", "accounts", [column], unique=True, schema=SCHEMA)


def downgrade() -> None:
    for column in LOGINS:
        op.drop_index(f"accounts_{column}", "accounts", schema=SCHEMA)
