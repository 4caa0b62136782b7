"""Numbers of rows that are kept up to date, orphans per sweep, and an index of the reservations' changes.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

SCHEMA = "hostaway"
TABLES = ("listings", "reservations", "conversations", "messages")
COUNT_ROWS = """
CREATE FUNCTION hostaway.count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO hostaway.row_counts (account_id, entity, live)
        SELECT account_id, TG_TABLE_NAME, count(*) FROM changed WHERE deleted_at IS NULL GROUP BY account_id;
    ELSIF TG_OP = 'DELETE' THEN
        -- Rows that are deleted with their account need no count.
        INSERT INTO hostaway.row_counts (account_id, entity, live)
        SELECT account_id, TG_TABLE_NAME, -count(*)
        FROM changed JOIN hostaway.accounts USING (account_id)
        WHERE deleted_at IS NULL
        GROUP BY account_id;
    ELSE
        INSERT INTO hostaway.row_counts (account_id, entity, live)
        VALUES (NEW.account_id, TG_TABLE_NAME, CASE WHEN NEW.deleted_at IS NULL THEN 1 ELSE -1 END);
    END IF;
    RETURN NULL;
END
$$
"""
# Inserts and deletions are counted per statement. Updates that mark a row as deleted or bring it back are few.
TRIGGERS = (
    "CREATE TRIGGER {0}_inserted AFTER INSERT ON hostaway.{0} REFERENCING NEW TABLE AS changed "
    "FOR EACH STATEMENT EXECUTE FUNCTION hostaway.count_rows()",
    "CREATE TRIGGER {0}_deleted AFTER DELETE ON hostaway.{0} REFERENCING OLD TABLE AS changed "
    "FOR EACH STATEMENT EXECUTE FUNCTION hostaway.count_rows()",
    "CREATE TRIGGER {0}_marked AFTER UPDATE ON hostaway.{0} "
    "FOR EACH ROW WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL)) "
    "EXECUTE FUNCTION hostaway.count_rows()",
)
COUNT_STORED = """
INSERT INTO hostaway.row_counts (account_id, entity, live)
SELECT account_id, '{0}', count(*) FROM hostaway.{0} WHERE deleted_at IS NULL GROUP BY account_id
"""


def upgrade() -> None:
    account_id = sa.ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE")
    op.create_table(
        "row_counts",
        sa.Column("account_id", sa.BigInteger, account_id, nullable=False),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("live", sa.BigInteger, nullable=False, comment="Rows that this change added; negative: removed"),
        schema=SCHEMA,
        comment="Live rows of each table, to be added up. Triggers only add rows: no transaction waits for another",
    )
    op.create_index("row_counts_account", "row_counts", ["account_id"], schema=SCHEMA)
    op.execute(COUNT_ROWS)
    for table in TABLES:
        for trigger in TRIGGERS:  # they lock the table until the migration is committed
            op.execute(trigger.format(table))
        op.execute(COUNT_STORED.format(table))
    orphans = "Live messages without a live conversation; null: other lists, or not counted yet"
    op.add_column("sweeps", sa.Column("orphan_count", sa.BigInteger, comment=orphans), schema=SCHEMA)
    op.create_index("reservations_updated", "reservations", ["account_id", "updated_at"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_index("reservations_updated", table_name="reservations", schema=SCHEMA)
    op.drop_column("sweeps", "orphan_count", schema=SCHEMA)
    for table in TABLES:
        for kind in ("inserted", "deleted", "marked"):
            op.execute(f"DROP TRIGGER {table}_{kind} ON {SCHEMA}.{table}")
    op.execute(f"DROP FUNCTION {SCHEMA}.count_rows")
    op.drop_table("row_counts", schema=SCHEMA)
