"""How the app is served: the door in front of it, and no line of uvicorn's own that repeats what was sent."""

import gc
import logging
import socket
from dataclasses import replace

import uvicorn
from fastapi import FastAPI

from webhook_receiver.crowd import Limits, allow_descriptors
from webhook_receiver.door import protocol
from webhook_receiver.errors import places

# The kernel drops the last step of a connection that finds no room here, and its client tries again after a second.
BACKLOG = 8192
# libuv accepts one connection per turn of its loop and descriptor. In a burst of thousands, a right one would wait for
# as many turns, each of which also serves who is in already: for seconds, when those send without end.
_ACCEPTED_PER_TURN = 16
# A delivery is answered within milliseconds; Hostaway repeats one that is cut off.
_GRACE_SECONDS = 3
_GC_THRESHOLDS = (20_000, 50, 100)


class Server(uvicorn.Server):
    """It lets connections in by many at once. Asked to end, it gives up what it asks Hostaway itself: that could take
    longer than all clients together."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """The same queue of connections, by several descriptors; they are closed with the servers made of them."""
        more = [one.dup() for one in sockets or () for _ in range(_ACCEPTED_PER_TURN - 1)]
        await super().startup([*sockets, *more] if sockets else None)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.receiver.services.abort()
        await super().shutdown(sockets)


def server(
    app: FastAPI,
    *,
    forwarded_allow_ips: str = "127.0.0.1",
    grace_seconds: int = _GRACE_SECONDS,
    limits: Limits | None = None,
) -> uvicorn.Server:
    """Raises this process's limit of open files if it must."""
    limits = limits or Limits()
    limits = replace(limits, connections=allow_descriptors(limits))
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(_without_traceback)
    config = uvicorn.Config(
        app,
        http=protocol(limits),
        ws="none",
        forwarded_allow_ips=forwarded_allow_ips,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=limits.idle_seconds + 1,  # the door's own comes first
        timeout_graceful_shutdown=grace_seconds,
        backlog=BACKLOG,
    )
    return Server(config, app)


def spare_collections() -> None:
    """What lives as long as the process is looked at by the garbage collector no longer: each full look at it would
    hold all deliveries for tens of milliseconds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _without_traceback(record: logging.LogRecord) -> bool:
    """An exception's text may quote a request; its kind and place do not."""
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        record.msg, record.args = "%s: %s at %s", (record.name, type(error).__name__, places(error))
        record.exc_info = record.exc_text = None
    return True
