"""Times statements: each is known by the name in its header, such as `-- merge: …`."""

import time
from collections.abc import Callable
from typing import Any, Self

import psycopg


def timed_cursor(on_statement: Callable[[str, float], None]) -> type[psycopg.Cursor[Any]]:
    """A class of cursors; the callable gets the name and the duration in seconds of every statement."""

    class TimedCursor(psycopg.Cursor[Any]):
        """Reports how long each statement took."""

        def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
            began = time.perf_counter()
            try:
                return super().execute(query, params, **options)
            finally:
                on_statement(_statement_name(query), time.perf_counter() - began)

    return TimedCursor


def _statement_name(query: object) -> str:
    """The name in a header such as `-- merge: …`; without a header, the first word."""
    if not isinstance(query, str):
        return "other"
    if query.startswith("-- "):
        return query[3 : query.index(":")]
    word = query.split(maxsplit=1)[0].lower()
    return "ping" if word == ";" else word
