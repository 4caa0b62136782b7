"""The superseded states of reservations and listings. Triggers write them: see migration 0018.

Each row is a state that was in force from `valid_from` to `valid_to`; the present state is in the entity's own table.
No column is personal.
"""

from typing import Any

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Date, Identity, Integer, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_pipeline.store.schema.base import Instant, account_id, metadata


def _versions(name: str, object_id: str, *columns: Column[Any], comment: str) -> Table:
    return Table(
        name,
        metadata,
        account_id(primary_key=True),
        Column(object_id, BigInteger, primary_key=True, autoincrement=False),
        Column("version_id", BigInteger, Identity(always=True), primary_key=True),
        *columns,
        Column("is_deleted", Boolean, nullable=False, comment="Whether this state was that of a deleted object"),
        Column("valid_from", Instant, comment="End of the version before; null: there is none"),
        Column("valid_to", Instant, nullable=False, comment="When the next state began"),
        Column(
            "valid_to_source",
            Text,
            nullable=False,
            comment="hostaway; seen: Hostaway's time was missing or implausible",
        ),
        Column("seen_at", Instant, nullable=False, comment="When we saw the next state"),
        comment=comment,
    )


reservation_versions = _versions(
    "reservation_versions",
    "reservation_id",
    Column("listing_id", BigInteger),
    Column("channel_id", BigInteger),
    Column("channel_name", Text),
    Column("status", Text),
    Column("arrival_date", Date),
    Column("departure_date", Date),
    Column("unit_count", BigInteger),
    Column("is_dates_unspecified", Boolean),
    Column("number_of_guests", BigInteger),
    Column("currency", Text),
    Column("total_price", Numeric),
    Column("tax_amount", Numeric),
    Column("cleaning_fee", Numeric),
    Column("channel_commission", Numeric),
    Column("reserved_at", Instant),
    Column("inserted_at", Instant),
    Column("cancelled_on", Date),
    Column(
        "finance_lines",
        JSONB(none_as_null=True),
        comment="Lines with name, type, total, is_included, is_deleted; null: as in the next version, or not known",
    ),
    Column("source", Text, nullable=False, comment="copy: seen here; hostaway_log: from Hostaway's log of changes"),
    Column("is_reconstructed", Boolean, nullable=False, comment="True: a guess"),
    comment="Superseded states of reservations",
)

reservation_trails = Table(
    "reservation_trails",
    metadata,
    account_id(primary_key=True),
    Column("reservation_id", BigInteger, primary_key=True, autoincrement=False),
    Column("outcome", Text, nullable=False, comment="whole, cut, contradictory, missing; failed: tried again in a day"),
    Column("entries", Integer, nullable=False, comment="How many entries Hostaway's log had"),
    Column("read_at", Instant, nullable=False, comment="When it was asked for"),
    comment="Reservations whose log of changes was read, for the time before they were copied",
)

listing_versions = _versions(
    "listing_versions",
    "listing_id",
    Column("name", Text),
    Column("internal_name", Text),
    Column("city", Text),
    Column("country_code", Text),
    Column("time_zone", Text),
    Column("currency", Text),
    Column("price", Numeric),
    Column("person_capacity", BigInteger),
    Column("bedrooms", BigInteger),
    Column("bathrooms", Numeric),
    Column("room_type", Text),
    Column("cleaning_fee", Numeric),
    Column("unit_count", BigInteger),
    Column("unit_listing_ids", ARRAY(BigInteger)),
    Column("special_status", Text),
    Column("archived_at", Instant),
    comment="Superseded states of listings",
)
