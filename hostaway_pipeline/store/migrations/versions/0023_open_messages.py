"""Messages that are not known to be sent or refused are counted without reading the others.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

SCHEMA = "hostaway"
TABLE, INDEX = "outbound_messages", "outbound_messages_open"


def upgrade() -> None:
    is_open = sa.text("status IN ('pending', 'sending', 'unclear')")
    op.create_index(INDEX, TABLE, ["created_at"], schema=SCHEMA, postgresql_where=is_open)


def downgrade() -> None:
    op.drop_index(INDEX, table_name=TABLE, schema=SCHEMA)
