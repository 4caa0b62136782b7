"""Superseded states of reservations and listings, which triggers keep.

Revision ID: 0018
Revises: 0017
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"

SCHEMA = "hostaway"
INSTANT = sa.DateTime(timezone=True)
RESERVATION_COLUMNS = (
    "listing_id, channel_id, channel_name, status, arrival_date, departure_date, unit_count, is_dates_unspecified, "
    "number_of_guests, currency, total_price, tax_amount, cleaning_fee, channel_commission, reserved_at, inserted_at, "
    "cancelled_on"
)
LISTING_COLUMNS = (
    "name, internal_name, city, country_code, time_zone, currency, price, person_capacity, bedrooms, bathrooms, "
    "room_type, cleaning_fee, unit_count, unit_listing_ids, special_status, archived_at"
)


def columns_of(row: str, names: str) -> str:
    return ", ".join(f"{row}.{name}" for name in names.split(", "))


def state_of(row: str, names: str) -> str:
    """What makes a version when it changes. Dates that are not specified are placeholders, which move every day."""
    state = columns_of(row, names)
    for name in ("arrival_date", "departure_date"):
        is_specified = f"{row}.is_dates_unspecified IS NOT TRUE"
        state = state.replace(f"{row}.{name}", f"CASE WHEN {is_specified} THEN {row}.{name} END")
    return f"({state}, {row}.deleted_at IS NULL)"


# A version ends at Hostaway's time of the next state, unless that time is not later than the start of the version or
# than Hostaway's time of the version itself, or is later than the present. Then it ends when the next state was seen;
# so it does for deletions, which do not move Hostaway's time. A transaction that waited for a lock may have begun
# before the start of the version, which is empty then.
#
# Postgres caches the plan made for the first statement of a session, perhaps of one row. Without nested loops and scans
# of whole tables, it fits any number of rows.
FUNCTION = """
CREATE FUNCTION hostaway.{name}() RETURNS trigger LANGUAGE plpgsql
SET enable_nestloop = off SET enable_seqscan = off AS $$
BEGIN
    {statement};
    RETURN NULL;
END
$$
"""
END = """
    SELECT *, coalesce(next_at <= now() AND coalesce(next_at > greatest(valid_from, source_updated_at), TRUE), FALSE)
              AS ends_by_source
"""
ENDS = """
    valid_from,
    CASE WHEN ends_by_source THEN next_at ELSE greatest(now(), valid_from) END,
    CASE WHEN ends_by_source THEN 'hostaway' ELSE 'seen' END,
    now()
"""
KEEP_LISTINGS = f"""
    WITH superseded AS MATERIALIZED (
        SELECT was.account_id, was.id, {columns_of("was", LISTING_COLUMNS)}, was.deleted_at IS NOT NULL AS is_deleted,
               was.source_updated_at, became.source_updated_at AS next_at,
               (SELECT max(earlier.valid_to) FROM hostaway.listing_versions AS earlier
                WHERE earlier.account_id = was.account_id AND earlier.listing_id = was.id) AS valid_from
        FROM old_rows AS was JOIN new_rows AS became ON became.account_id = was.account_id AND became.id = was.id
        WHERE {state_of("was", LISTING_COLUMNS)} IS DISTINCT FROM {state_of("became", LISTING_COLUMNS)}
    ),
    ended AS ({END} FROM superseded)
    INSERT INTO hostaway.listing_versions (
        account_id, listing_id, {LISTING_COLUMNS}, is_deleted, valid_from, valid_to, valid_to_source, seen_at
    )
    SELECT account_id, id, {LISTING_COLUMNS}, is_deleted, {ENDS} FROM ended
"""  # noqa: S608 (our own names)
# The finance lines are still those of the old content: they are merged after the reservations. Their hash is the end
# of the content's hash, and is empty if they were never read.
#
# A change may come without its lines, which are read later (finance_read_at). The lines of the old state are kept with
# the first version since they became unknown: `is_kept` says that they are. The lines that come belong to the new
# state from its start, so they make no version.
KEEP_RESERVATIONS = f"""
    WITH superseded AS MATERIALIZED (
        SELECT was.account_id, was.id, {columns_of("was", RESERVATION_COLUMNS)},
               was.deleted_at IS NOT NULL AS is_deleted, was.finance_read_at, was.source_updated_at,
               became.source_updated_at AS next_at, change.has_other_state, change.has_other_lines,
               length(was.content_hash) > 16 AND became.finance_read_at IS NULL AS has_unknown_lines,
               (SELECT max(earlier.valid_to) FROM hostaway.reservation_versions AS earlier
                WHERE earlier.account_id = was.account_id AND earlier.reservation_id = was.id) AS valid_from
        FROM old_rows AS was JOIN new_rows AS became ON became.account_id = was.account_id AND became.id = was.id,
            LATERAL (
                SELECT {state_of("was", RESERVATION_COLUMNS)} IS DISTINCT FROM {state_of("became", RESERVATION_COLUMNS)}
                           AS has_other_state,
                       length(was.content_hash) > 16
                           AND substr(was.content_hash, 17) <> substr(became.content_hash, 17) AS has_other_lines
            ) AS change
        WHERE change.has_other_state OR change.has_other_lines
    ),
    with_lines AS MATERIALIZED (
        SELECT *,
               CASE WHEN has_other_lines OR has_unknown_lines THEN to_jsonb(ARRAY(
                   SELECT line
                   FROM (
                       SELECT name, type, total, is_included, is_deleted
                       FROM hostaway.reservation_finance_lines AS stored
                       WHERE stored.account_id = superseded.account_id AND stored.reservation_id = superseded.id
                       ORDER BY line_no
                   ) AS line
               )) END AS finance_lines
        FROM superseded
    ),
    known AS MATERIALIZED (
        SELECT *,
               finance_read_at IS NULL AND finance_lines =
                   (SELECT earlier.finance_lines FROM hostaway.reservation_versions AS earlier
                    WHERE earlier.account_id = with_lines.account_id AND earlier.reservation_id = with_lines.id
                      AND earlier.source = 'copy' AND earlier.finance_lines IS NOT NULL
                    ORDER BY earlier.version_id DESC LIMIT 1) IS TRUE AS is_kept
        FROM with_lines
    ),
    ended AS ({END} FROM known WHERE has_other_state OR NOT is_kept)
    INSERT INTO hostaway.reservation_versions (
        account_id, reservation_id, {RESERVATION_COLUMNS}, is_deleted, finance_lines,
        valid_from, valid_to, valid_to_source, seen_at, source, is_reconstructed
    )
    SELECT account_id, id, {RESERVATION_COLUMNS}, is_deleted, CASE WHEN NOT is_kept THEN finance_lines END,
           {ENDS}, 'copy', FALSE
    FROM ended
"""  # noqa: S608
TRIGGER = """
CREATE TRIGGER {table}_superseded AFTER UPDATE ON hostaway.{table}
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION hostaway.{name}()
"""


def upgrade() -> None:
    op.create_table(
        "reservation_versions",
        *_keys("reservation_id"),
        *(sa.Column(name, sa.BigInteger) for name in ("listing_id", "channel_id")),
        *(sa.Column(name, sa.Text) for name in ("channel_name", "status")),
        *(sa.Column(name, sa.Date) for name in ("arrival_date", "departure_date")),
        sa.Column("unit_count", sa.BigInteger),
        sa.Column("is_dates_unspecified", sa.Boolean),
        sa.Column("number_of_guests", sa.BigInteger),
        sa.Column("currency", sa.Text),
        *(sa.Column(name, sa.Numeric) for name in ("total_price", "tax_amount", "cleaning_fee", "channel_commission")),
        *(sa.Column(name, INSTANT) for name in ("reserved_at", "inserted_at")),
        sa.Column("cancelled_on", sa.Date),
        sa.Column(
            "finance_lines",
            postgresql.JSONB,
            comment="Lines with name, type, total, is_included, is_deleted; null: as in the next version, or not known",
        ),
        sa.Column(
            "source", sa.Text, nullable=False, comment="copy: seen here; hostaway_log: from Hostaway's log of changes"
        ),
        sa.Column("is_reconstructed", sa.Boolean, nullable=False, comment="True: a guess"),
        *_span(),
        schema=SCHEMA,
        comment="Superseded states of reservations",
    )
    op.create_table(
        "listing_versions",
        *_keys("listing_id"),
        *(sa.Column(name, sa.Text) for name in ("name", "internal_name", "city", "country_code", "time_zone")),
        sa.Column("currency", sa.Text),
        sa.Column("price", sa.Numeric),
        *(sa.Column(name, sa.BigInteger) for name in ("person_capacity", "bedrooms")),
        sa.Column("bathrooms", sa.Numeric),
        sa.Column("room_type", sa.Text),
        sa.Column("cleaning_fee", sa.Numeric),
        sa.Column("unit_count", sa.BigInteger),
        sa.Column("unit_listing_ids", sa.ARRAY(sa.BigInteger)),
        sa.Column("special_status", sa.Text),
        sa.Column("archived_at", INSTANT),
        *_span(),
        schema=SCHEMA,
        comment="Superseded states of listings",
    )
    for table, statement in (("reservations", KEEP_RESERVATIONS), ("listings", KEEP_LISTINGS)):
        name = f"keep_superseded_{table}"
        op.execute(FUNCTION.format(name=name, statement=statement))
        op.execute(TRIGGER.format(name=name, table=table))


def downgrade() -> None:
    for table in ("reservations", "listings"):
        op.execute(f"DROP TRIGGER {table}_superseded ON {SCHEMA}.{table}")
        op.execute(f"DROP FUNCTION {SCHEMA}.keep_superseded_{table}")
    op.drop_table("listing_versions", schema=SCHEMA)
    op.drop_table("reservation_versions", schema=SCHEMA)


def _keys(object_id: str) -> list[sa.Column[Any]]:
    account = sa.ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE")
    return [
        sa.Column("account_id", sa.BigInteger, account, primary_key=True),
        sa.Column(object_id, sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("version_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    ]


def _span() -> list[sa.Column[Any]]:
    plausible = "hostaway; seen: Hostaway's time was missing or implausible"
    return [
        sa.Column("is_deleted", sa.Boolean, nullable=False, comment="Whether this state was that of a deleted object"),
        sa.Column("valid_from", INSTANT, comment="End of the version before; null: there is none"),
        sa.Column("valid_to", INSTANT, nullable=False, comment="When the next state began"),
        sa.Column("valid_to_source", sa.Text, nullable=False, comment=plausible),
        sa.Column("seen_at", INSTANT, nullable=False, comment="When we saw the next state"),
    ]
