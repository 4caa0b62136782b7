"""Deleting an account for good: its rows in batches, so that no transaction holds much for long; its own row last."""

from functools import partial

from sqlalchemy import ColumnElement, Connection, Table, delete, literal_column, select

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.schema import accounts, metadata

_BATCH = 5_000


def delete_account(database: Database, account_id: int) -> None:
    """The account is inactive already, so that nobody begins to add rows; what somebody still adds goes with its row.

    Repeating it goes on where it was cut off.
    """
    for table in metadata.sorted_tables:
        if table is not accounts and "account_id" in table.c:
            while database.run(partial(_delete_some, table=table, account_id=account_id)) == _BATCH:
                pass
    database.run(lambda connection: connection.execute(delete(accounts).where(accounts.c.account_id == account_id)))


def _delete_some(connection: Connection, table: Table, account_id: int) -> int:
    """How many rows went; found by their place in the table, for not every table has a key of one column."""
    place: ColumnElement[str] = literal_column("ctid")
    some = select(place).select_from(table).where(table.c.account_id == account_id).limit(_BATCH)
    return connection.execute(delete(table).where(place.in_(some))).rowcount
