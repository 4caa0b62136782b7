"""The calendar of the listings: one row per listing and day."""

from sqlalchemy import BigInteger, Boolean, Column, Date, Numeric, Table, Text, func

from hostaway_pipeline.store.schema.base import Instant, account_id, metadata

calendar_days = Table(
    "calendar_days",
    metadata,
    account_id(primary_key=True),
    Column("listing_id", BigInteger, primary_key=True, autoincrement=False),
    Column("date", Date, primary_key=True, comment="The night that begins on this day, in the listing's time zone"),
    Column("is_available", Boolean),
    Column("status", Text, comment="available, reserved, blocked, pending, hardBlock, conflicted, mblocked, mreserved"),
    Column("price", Numeric, comment="In the listing's currency"),
    Column("minimum_stay", BigInteger, comment="Nights"),
    Column("maximum_stay", BigInteger, comment="Nights"),
    Column("total_units", BigInteger, comment="The listing's units; null for a listing with one unit"),
    Column("available_units", BigInteger, comment="Units left to sell; null for a listing with one unit"),
    Column("blocked_units", BigInteger, comment="Null for a listing with one unit"),
    Column("pending_units", BigInteger, comment="Units of open requests; null for a listing with one unit"),
    Column("read_at", Instant, nullable=False, comment="When this content was asked for"),
    Column("updated_at", Instant, nullable=False, server_default=func.now(), comment="When content changed here"),
    comment="The listings' calendars, as read on request; days that are past stay as they were last read",
)
