"""Stores the finance lines of reservations whose content was merged."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import psycopg

from hostaway_pipeline.domain.entities import Row
from hostaway_pipeline.domain.finance_lines import finance_lines
from hostaway_pipeline.store.database import query


def merge_finance_lines(
    cursor: psycopg.Cursor[Any], account_id: int, rows: Iterable[Row], changed: Sequence[int]
) -> None:
    """Make the lines of these reservations those of their rows. `changed`: ids of those that may have others."""
    lines = [{"reservation_id": row.id, **line} for row in rows for line in finance_lines(row.content)]
    if lines or changed:
        # Decimals as text, which Postgres reads exactly.
        written = orjson.dumps(lines, default=str).decode()
        values = {"account_id": account_id, "lines": written, "changed": list(changed)}
        cursor.execute(query("merge_finance_lines"), values)
