"""The schema, the type of timestamps and the account_id column, which all tables share."""

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, MetaData

SCHEMA = "hostaway"
metadata = MetaData(schema=SCHEMA)
Instant = DateTime(timezone=True)


def account_id(**options: Any) -> Column[int]:
    """The account that a row belongs to; deleting the account deletes the row."""
    return Column("account_id", BigInteger, ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE"), **options)
