"""Add the columns that analysts need, the finance lines, guests and findings; fill them for the stored rows.

Payloads are read in batches by primary key, so that memory stays flat. `updated_at` says when content changed at
Hostaway, and is kept. `content_hash` changes where its rule does: the dates of a reservation whose dates are not
specified move every day by themselves, and no longer count as content. Findings begin with the next change of a row.

Revision ID: 0011
Revises: 0010
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from alembic import op

from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.finance_lines import read_lines
from hostaway_pipeline.domain.guests import Identifier, identifiers
from hostaway_pipeline.domain.payloads import content_hash
from hostaway_pipeline.store.copy.guests import resolve_guests
from hostaway_pipeline.store.database import driver

revision = "0011"
down_revision = "0010"

SCHEMA, BATCH = "hostaway", 500

# A copy, not an import: a later version may have other columns. Type and comment; these are read from the payload.
_INSERTED = ("timestamptz", "When it was added at Hostaway")
READ: dict[str, dict[str, tuple[str, str | None]]] = {
    "listings": {
        "bathrooms": ("numeric", None),
        "room_type": ("text", None),
        "cleaning_fee": ("numeric", None),
        "unit_count": ("bigint", "Units of a multi-unit listing; null for a single unit"),
        "unit_listing_ids": ("bigint[]", "Listings that are units of this one"),
        "inserted_at": _INSERTED,
        "latest_activity_at": ("timestamptz", "As of the present content: it moves without any change"),
    },
    "reservations": {
        "guest_email": ("text", None),
        "guest_phone": ("text", None),
        "guest_external_id": ("text", "The channel's id of the guest"),
        "guest_country": ("text", None),
        "adults": ("bigint", None),
        "children": ("bigint", None),
        "infants": ("bigint", None),
        "unit_count": ("bigint", "Units that it takes; null: not told"),
        "is_dates_unspecified": ("boolean", "True: the dates are placeholders"),
        "tax_amount": ("numeric", None),
        "cleaning_fee": ("numeric", None),
        "channel_commission": ("numeric", None),
        "payment_status": ("text", None),
        "inserted_at": _INSERTED,
        "cancelled_on": ("date", None),
        "cancelled_by": ("text", None),
    },
    "messages": {
        "communication_id": ("bigint", "The automation that sent it; null: a person"),
        "communication_event": ("text", "What the automation reacted to"),
        "sent_using_hostaway": ("boolean", None),
        "inserted_at": _INSERTED,
    },
}
# The merge fills these from more than the payload.
DERIVED: dict[str, dict[str, tuple[str, str | None]]] = {
    "listings": {"archived_at": ("timestamptz", "When a read first showed it archived after one that did not")},
    "reservations": {
        "guest_id": ("uuid", "The guest in hostaway.guests; null: nothing identifies the guest"),
        "finance_read_at": (
            "timestamptz",
            "Since then the finance lines are those of the content; null: not known",
        ),
        "finance_tried_at": ("timestamptz", "When the finance lines could not be read by id the last time"),
    },
    "messages": {},
}

_READ_ROWS = """
SELECT account_id, id, raw_payload::text AS payload
FROM hostaway.{table}
WHERE (account_id, id) > (:account_id, :id)
ORDER BY account_id, id
LIMIT :batch
"""
_FILL = """
UPDATE hostaway.{table} AS stored SET {assignments}
FROM json_to_recordset(CAST(:rows AS json)) AS filled (account_id bigint, id bigint, {columns})
WHERE stored.account_id = filled.account_id AND stored.id = filled.id
"""
# What only reservations have: column, type in the batch, value.
_OF_RESERVATIONS = (
    ("guest_id", "guest_id uuid", "filled.guest_id"),
    (
        "finance_read_at",
        "has_finance boolean",
        "CASE WHEN filled.has_finance THEN coalesce(stored.read_at, stored.created_at) END",
    ),
    ("content_hash", "content_hash text", "coalesce(decode(filled.content_hash, 'hex'), stored.content_hash)"),
)
_ADD_LINES = """
INSERT INTO hostaway.reservation_finance_lines (
    account_id, reservation_id, line_no, source_id, name, title, type, total, is_included, is_deleted
)
SELECT * FROM json_to_recordset(CAST(:lines AS json)) AS line (
    account_id bigint, reservation_id bigint, line_no integer, source_id bigint, name text, title text, type text,
    total numeric, is_included boolean, is_deleted boolean
)
"""


def upgrade() -> None:
    for table, read in READ.items():
        for name, (kind, comment) in (read | DERIVED[table]).items():
            op.execute(f"ALTER TABLE hostaway.{table} ADD COLUMN {name} {kind}")
            if comment is not None:
                quoted = comment.replace("'", "''")
                op.execute(f"COMMENT ON COLUMN hostaway.{table}.{name} IS '{quoted}'")
    _create_tables()
    connection = op.get_bind()
    for table in READ:
        _fill(connection, table)
    op.create_index(
        "reservations_finance_unread",
        "reservations",
        ["account_id", "arrival_date"],
        schema=SCHEMA,
        postgresql_where=sa.text(
            "finance_read_at IS NULL AND deleted_at IS NULL AND status IN "
            "('new', 'modified', 'ownerStay', 'awaitingPayment', 'awaitingGuestVerification', 'cancelled')"
        ),
    )


def downgrade() -> None:
    """The hash of reservations with unspecified dates stays: the next read of an older version replaces it."""
    op.drop_index("reservations_finance_unread", "reservations", schema=SCHEMA)
    for table in ("payload_findings", "guests", "reservation_finance_lines"):
        op.drop_table(table, schema=SCHEMA)
    for table, read in READ.items():
        for name in read | DERIVED[table]:
            op.drop_column(table, name, schema=SCHEMA)


def _create_tables() -> None:
    op.create_table(
        "reservation_finance_lines",
        sa.Column("account_id", sa.BigInteger, primary_key=True),
        sa.Column("reservation_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("line_no", sa.Integer, primary_key=True, autoincrement=False, comment="Position, from 1 on"),
        sa.Column("source_id", sa.BigInteger, comment="Hostaway's id of the line"),
        sa.Column("name", sa.Text, comment="Such as baseRate, cleaningFee, hostChannelFee"),
        sa.Column("title", sa.Text),
        sa.Column(
            "type",
            sa.Text,
            comment="accomodation, fee, tax, discount, commissions, totals, other; before 2024 also price",
        ),
        sa.Column("total", sa.Numeric),
        sa.Column("is_included", sa.Boolean, comment="Whether it is part of the reservation's total price"),
        sa.Column("is_deleted", sa.Boolean),
        _of_account(),
        schema=SCHEMA,
        comment="The lines that make up a reservation's price (`financeField`)",
    )
    op.create_table(
        "guests",
        sa.Column("account_id", sa.BigInteger, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True, comment="channel, email, phone"),
        sa.Column("identifier", sa.Text, primary_key=True),
        sa.Column("guest_id", sa.Uuid, nullable=False, comment="Random: the same for all identifiers of one guest"),
        _time("created_at"),
        _of_account(),
        schema=SCHEMA,
        comment="Personal: by which identifiers a returning guest is recognised",
    )
    op.create_table(
        "payload_findings",
        sa.Column("account_id", sa.BigInteger, primary_key=True),
        sa.Column("entity", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("finding", sa.Text, primary_key=True, comment="unreadable, unknown"),
        sa.Column("rows", sa.BigInteger, nullable=False, comment="How often such a row was written"),
        _time("first_seen_at"),
        _time("last_seen_at"),
        _of_account(),
        schema=SCHEMA,
        comment="Keys whose value could not be read, or that Hostaway's documentation does not name",
    )


def _of_account() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["account_id"], [f"{SCHEMA}.accounts.account_id"], ondelete="CASCADE")


def _time(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _fill(connection: sa.Connection, table: str) -> None:
    is_reservations = table == "reservations"
    own = _OF_RESERVATIONS if is_reservations else ()
    statement = _FILL.format(
        table=table,
        assignments=", ".join(
            [*(f"{name} = filled.{name}" for name in READ[table]), *(f"{name} = {value}" for name, _, value in own)]
        ),
        columns=", ".join(
            [*(f"{name} {kind}" for name, (kind, _) in READ[table].items()), *(batched for _, batched, _ in own)]
        ),
    )
    for batch in _batches(connection, _READ_ROWS.format(table=table)):
        payloads = {(row.account_id, row.id): orjson.loads(row.payload) for row in batch}
        rows = {key: _columns(table, payload) for key, payload in payloads.items()}
        if is_reservations:
            for key, guest_id in _guests(connection, payloads).items():
                rows[key]["guest_id"] = guest_id
            lines = [
                {"account_id": account_id, "reservation_id": reservation_id, **line}
                for (account_id, reservation_id), payload in payloads.items()
                for line in read_lines(payload).lines
            ]
            if lines:
                connection.execute(sa.text(_ADD_LINES), {"lines": _json(lines)})
        filled = [{"account_id": key[0], "id": key[1], **row} for key, row in rows.items()]
        connection.execute(sa.text(statement), {"rows": _json(filled)})


def _columns(table: str, payload: dict[str, Any]) -> dict[str, Any]:
    entity = ENTITIES[table]
    found = {}
    for name in READ[table]:
        key, read = entity.columns[name]
        found[name] = read(payload.get(key))
    if table == "reservations":
        found["has_finance"] = "financeField" in payload
        if found["is_dates_unspecified"]:
            found["content_hash"] = content_hash(payload, entity.optional).hex()
    return found


def _guests(connection: sa.Connection, payloads: dict[tuple[int, int], dict[str, Any]]) -> dict[tuple[int, int], UUID]:
    columns = ENTITIES["reservations"].columns
    named = ("channel_id", "guest_external_id", "guest_email", "guest_phone")
    told: dict[int, dict[int, list[Identifier]]] = defaultdict(dict)
    for (account_id, reservation_id), payload in payloads.items():
        values = (read(payload.get(key)) for key, read in (columns[name] for name in named))
        told[account_id][reservation_id] = identifiers(*values)
    cursor = driver(connection).cursor()
    return {
        (account_id, reservation_id): guest_id
        for account_id, own in told.items()
        for reservation_id, guest_id in resolve_guests(cursor, account_id, own).items()
    }


def _json(rows: Sequence[dict[str, Any]]) -> str:
    """Decimals as text, which Postgres reads exactly."""
    return orjson.dumps(rows, default=str).decode()


def _batches(connection: sa.Connection, statement: str) -> Iterator[Sequence[Any]]:
    """Rows in batches, by primary key; writing a row does not change its place in that order."""
    account_id, last = -(2**63), -(2**63)
    while batch := connection.execute(
        sa.text(statement), {"account_id": account_id, "id": last, "batch": BATCH}
    ).fetchall():
        yield batch
        account_id, last = batch[-1].account_id, batch[-1].id
