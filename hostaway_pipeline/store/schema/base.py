"""What all tables share: the schema, the type of instants, the owner of a row."""

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, MetaData

SCHEMA = "hostaway"
metadata = MetaData(schema=SCHEMA)
Instant = DateTime(timezone=True)


def account_id(**options: Any) -> Column[int]:
    """The account that a row belongs to, and with which it is deleted for good."""
    return Column("account_id", BigInteger, ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE"), **options)
