"""Deletes an account with its rows: in batches, so that no transaction locks many rows for long; its own row last."""

from functools import partial

from sqlalchemy import ColumnElement, Connection, Table, delete, literal_column, select

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.schema import accounts, metadata

_BATCH = 5_000


def delete_account(database: Database, account_id: int) -> None:
    """Delete an inactive account. Rows that a running sync still adds are deleted with the account's row, by cascade.

    Repeat it after an interruption: it deletes what is left.
    """
    for table in metadata.sorted_tables:
        if table is not accounts and "account_id" in table.c:
            while database.run(partial(_delete_batch, table=table, account_id=account_id)) == _BATCH:
                pass
    database.run(lambda connection: connection.execute(delete(accounts).where(accounts.c.account_id == account_id)))


def _delete_batch(connection: Connection, table: Table, account_id: int) -> int:
    """Returns how many rows were deleted. Finds them by ctid, because some tables have keys of several columns."""
    place: ColumnElement[str] = literal_column("ctid")
    some = select(place).select_from(table).where(table.c.account_id == account_id).limit(_BATCH)
    return connection.execute(delete(table).where(place.in_(some))).rowcount
