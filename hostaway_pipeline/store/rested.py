"""Looks at pooled connections before their use, but asks the server only where there is a reason to.

A sync takes a connection from the pool some seventy times in a second: a ping before each would double its round trips.
A server or pooler that closes a connection says so to the socket. Only the loss of the machine or a firewall is silent,
and comes with a rest.
"""

import select
import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

_RESTED_SECONDS = 1.0


def ping_rested(engine: Engine) -> None:
    """Have the pool replace a connection that psycopg knows to be broken, or that does not answer.

    It is asked after a rest, or when something has come from the server that nobody has asked for.
    """

    def note_rest(_connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info["rests_since"] = time.monotonic()

    def look(connection: Any, entry: ConnectionPoolEntry, _handle: Any) -> None:
        rests_since = entry.info.get("rests_since")  # None: just made
        if connection.closed:
            raise DisconnectionError
        if rests_since is None:
            return
        if time.monotonic() - rests_since < _RESTED_SECONDS and not _is_readable(connection.fileno()):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", note_rest)
    event.listen(engine, "checkout", look)


def _is_readable(socket: int) -> bool:
    """Whether a read would return at once, with data or with the end of the stream."""
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
