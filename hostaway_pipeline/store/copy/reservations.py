"""What the merge of reservations does besides: it finds their guests first, and stores their finance lines afterwards.

Finance lines have a hash of their own at the end of the content hash, so a reservation that changed otherwise costs
nothing here.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg

from hostaway_pipeline.domain.entities import FINANCE, Row
from hostaway_pipeline.domain.finance_lines import FinanceLines, read_lines
from hostaway_pipeline.domain.guests import Identifier, identifiers, identifiers_of
from hostaway_pipeline.domain.payloads import hash_of_optional
from hostaway_pipeline.store.copy.guests import resolve_guests
from hostaway_pipeline.store.database import query


class _Prior(NamedTuple):
    """The stored row, which is locked."""

    finance_hash: bytes
    guest_id: UUID | None
    identifiers: list[Identifier]


class ReservationMerge:
    """One merge of reservations. Creating it locks the stored rows and adds guests; `guests`: by reservation."""

    def __init__(self, cursor: psycopg.Cursor[Any], account_id: int, rows: Sequence[Row]) -> None:
        self._cursor = cursor
        self._account_id = account_id
        named = {row.id: found for row in rows if (found := identifiers_of(row))}
        self._prior = self._lock([row.id for row in rows if row.id in named or row.content.get(FINANCE)])
        self.guests = self._find_guests(named)

    def store_lines(self, rows: Sequence[Row], changed: Collection[int]) -> list[FinanceLines]:
        """Make the lines of rows that were merged theirs; returns those that were read. `changed`: not new."""
        moved = {row.id: row for row in rows if not self._has_same_lines(row)}
        read = {row_id: read_lines(row.content) for row_id, row in moved.items()}
        lines = [{"reservation_id": row_id, **line} for row_id, found in read.items() for line in found.lines]
        stored = [row_id for row_id in changed if row_id in moved]
        if lines or stored:
            # Decimals as text, which Postgres reads exactly.
            written = orjson.dumps(lines, default=str).decode()
            values = {"account_id": self._account_id, "lines": written, "changed": stored}
            self._cursor.execute(query("merge_finance_lines"), values)
        return list(read.values())

    def _lock(self, ids: list[int]) -> dict[int, _Prior]:
        if not ids:
            return {}
        cursor = self._cursor.connection.cursor(binary=True)
        rows = cursor.execute(query("lock_reservations"), {"account_id": self._account_id, "ids": ids})
        return {row[0]: _Prior(row[1], row[2], identifiers(*row[3:])) for row in rows}

    def _find_guests(self, named: dict[int, list[Identifier]]) -> dict[int, UUID]:
        """The first known identifier decides, so the same identifiers keep the guest that they have."""
        kept = {
            row_id: prior.guest_id
            for row_id, prior in self._prior.items()
            if prior.guest_id is not None and prior.identifiers == named.get(row_id)
        }
        others = {row_id: own for row_id, own in named.items() if row_id not in kept}
        return kept | resolve_guests(self._cursor, self._account_id, others)

    def _has_same_lines(self, row: Row) -> bool:
        prior = self._prior.get(row.id)
        return prior is not None and prior.finance_hash == hash_of_optional(row.content_hash)
