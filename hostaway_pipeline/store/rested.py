"""Looks at pooled connections before their use, but only at those that have rested.

A sync takes a connection from the pool some seventy times in a second: a ping before each would double its round trips.
What a server, pooler or firewall closes, it closes at rest.
"""

import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

_RESTED_SECONDS = 1.0


def ping_rested(engine: Engine) -> None:
    """Have the pool replace a connection that psycopg knows to be broken, or that has rested and does not answer."""

    def note_rest(_connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info["rests_since"] = time.monotonic()

    def look(connection: Any, entry: ConnectionPoolEntry, _handle: Any) -> None:
        rests_since = entry.info.get("rests_since")  # None: just made
        if connection.closed:
            raise DisconnectionError
        if rests_since is None or time.monotonic() - rests_since < _RESTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", note_rest)
    event.listen(engine, "checkout", look)
