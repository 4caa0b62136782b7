"""Mask secrets in stored payloads that are recognised by their value, or by another spelling of their name.

Payloads are read in batches by primary key, so that memory stays flat, and written only where they change, in the
transaction of all migrations. `content_hash` is computed by the code that the merge uses, so that the next reconcile
finds the rows unchanged. `updated_at` says when content changed at Hostaway, and is kept. The newest events keep their
fingerprints: a delivery that is repeated across the upgrade may be stored once more, which is harmless.

Revision ID: 0010
Revises: 0009
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from alembic import op

from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.payloads import sanitize

revision = "0010"
down_revision = "0009"

# A copy, not an import: a later version may have other columns.
TEXT_COLUMNS = {
    "listings": (
        "name", "internal_name", "address", "city", "country_code", "time_zone", "currency", "special_status",
    ),
    "reservations": (
        "channel_name", "channel_reservation_id", "confirmation_code", "status", "guest_name", "currency",
    ),
    "conversations": ("type", "recipient_name"),
    "messages": ("communication_type", "status", "body"),
}  # fmt: skip
BATCH = 500

_READ_ROWS = """
SELECT account_id, id, raw_payload::text AS payload, content_hash
FROM hostaway.{table}
WHERE (account_id, id) > (:account_id, :id)
ORDER BY account_id, id
LIMIT :batch
"""
# A row that another process writes meanwhile has newer content: its hash differs, and it is left alone.
_WRITE_ROWS = """
UPDATE hostaway.{table} AS stored
SET raw_payload = CAST(cleaned.payload AS jsonb), content_hash = cleaned.content_hash, {assignments}
FROM unnest(
    CAST(:account_ids AS bigint[]), CAST(:ids AS bigint[]), CAST(:old_hashes AS bytea[]), CAST(:new_hashes AS bytea[]),
    CAST(:payloads AS text[]), {arrays}
) AS cleaned (account_id, id, old_hash, content_hash, payload, {columns})
WHERE (stored.account_id, stored.id, stored.content_hash) = (cleaned.account_id, cleaned.id, cleaned.old_hash)
"""
_WRITE_HASHES = """
UPDATE hostaway.{table} AS stored
SET content_hash = cleaned.content_hash
FROM unnest(
    CAST(:account_ids AS bigint[]), CAST(:ids AS bigint[]), CAST(:old_hashes AS bytea[]), CAST(:new_hashes AS bytea[])
) AS cleaned (account_id, id, old_hash, content_hash)
WHERE (stored.account_id, stored.id, stored.content_hash) = (cleaned.account_id, cleaned.id, cleaned.old_hash)
"""
_READ_EVENTS = """
SELECT id, payload::text AS payload FROM hostaway.webhook_events WHERE id > :id ORDER BY id LIMIT :batch
"""
_WRITE_EVENTS = """
UPDATE hostaway.webhook_events AS event
SET payload = CAST(cleaned.payload AS jsonb)
FROM unnest(CAST(:ids AS bigint[]), CAST(:payloads AS text[])) AS cleaned (id, payload)
WHERE event.id = cleaned.id
"""


class _Cleaned(NamedTuple):
    account_id: int
    id: int
    old_hash: bytes
    new_hash: bytes
    payload: str | None  # None: only the hash changes
    texts: Sequence[str | None]


def upgrade() -> None:
    connection = op.get_bind()
    for table in TEXT_COLUMNS:
        _clean_rows(connection, table)
    _clean_events(connection)


def downgrade() -> None:
    """Masked values cannot be restored, and need not be: older versions read these payloads as well."""


def _clean_rows(connection: sa.Connection, table: str) -> None:
    for batch in _batches(connection, _READ_ROWS.format(table=table), lambda row: (row.account_id, row.id)):
        cleaned = [changed for row in batch if (changed := _cleaned(table, row)) is not None]
        moved = [row for row in cleaned if row.payload is not None]
        rehashed = [row for row in cleaned if row.payload is None]
        if moved:
            columns = TEXT_COLUMNS[table]
            statement = _WRITE_ROWS.format(
                table=table,
                assignments=", ".join(f"{name} = cleaned.{name}" for name in columns),
                arrays=", ".join(f"CAST(:{name} AS text[])" for name in columns),
                columns=", ".join(columns),
            )
            texts = {name: [row.texts[place] for row in moved] for place, name in enumerate(columns)}
            values = {**_keys(moved), "payloads": [row.payload for row in moved], **texts}
            connection.execute(sa.text(statement), values)
        if rehashed:
            connection.execute(sa.text(_WRITE_HASHES.format(table=table)), _keys(rehashed))


def _cleaned(table: str, stored: Any) -> _Cleaned | None:
    """None where nothing changes."""
    payload = orjson.loads(stored.payload)
    row = ENTITIES[table].row({**payload, "id": payload.get("id", stored.id)})
    assert row is not None  # noqa: S101 (it has an id, and was written as JSON before)
    old_hash = bytes(stored.content_hash)
    is_clean = row.payload == orjson.dumps(payload).decode()
    if is_clean and row.content_hash == old_hash:
        return None
    read = dict(zip(ENTITIES[table].columns, row.values, strict=True))
    texts = [read[name] for name in TEXT_COLUMNS[table]]
    return _Cleaned(stored.account_id, stored.id, old_hash, row.content_hash, None if is_clean else row.payload, texts)


def _keys(rows: Sequence[_Cleaned]) -> dict[str, list[Any]]:
    return {
        "account_ids": [row.account_id for row in rows],
        "ids": [row.id for row in rows],
        "old_hashes": [row.old_hash for row in rows],
        "new_hashes": [row.new_hash for row in rows],
    }


def _clean_events(connection: sa.Connection) -> None:
    for batch in _batches(connection, _READ_EVENTS, lambda row: (0, row.id)):
        payloads = {row.id: (payload := orjson.loads(row.payload), sanitize(payload)) for row in batch}
        dirty = {key: orjson.dumps(clean).decode() for key, (payload, clean) in payloads.items() if clean != payload}
        if dirty:
            connection.execute(sa.text(_WRITE_EVENTS), {"ids": [*dirty], "payloads": [*dirty.values()]})


def _batches(
    connection: sa.Connection, statement: str, key: Callable[[Any], tuple[int, int]]
) -> Iterator[Sequence[Any]]:
    """Rows in batches, by primary key; writing a row does not change its place in that order."""
    account_id, last = -(2**63), -(2**63)
    while batch := connection.execute(
        sa.text(statement), {"account_id": account_id, "id": last, "batch": BATCH}
    ).fetchall():
        yield batch
        account_id, last = key(batch[-1])
