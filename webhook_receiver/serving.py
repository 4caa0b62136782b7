"""Serves the app with uvicorn: with connection limits, and without log lines that repeat what was sent."""

import gc
import logging
import socket
from dataclasses import replace

import uvicorn
from fastapi import FastAPI

from webhook_receiver.connections import Limits, allow_descriptors
from webhook_receiver.errors import places
from webhook_receiver.protocol import protocol_class

# When the accept queue is full, the kernel drops the last packet of a handshake, and its client retries after a second.
BACKLOG = 8192
# libuv accepts one connection per loop iteration and descriptor. Behind a burst of thousands, a right delivery would
# wait for as many iterations, each of which also serves all open connections: for seconds, when those send endlessly.
_ACCEPTED_PER_ITERATION = 16
# Deliveries are answered within milliseconds, and Hostaway repeats one that is cut off.
_GRACE_SECONDS = 3
_GC_THRESHOLDS = (20_000, 50, 100)


class Server(uvicorn.Server):
    """Accepts many connections per loop iteration. On shutdown it aborts our own requests to Hostaway first, since they
    may take longer than the grace period."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept from the same queue through several descriptors; uvicorn's servers close them."""
        more = [listener.dup() for listener in sockets or () for _ in range(_ACCEPTED_PER_ITERATION - 1)]
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
    """Also raises this process's limit of open files if necessary."""
    limits = limits or Limits()
    limits = replace(limits, connections=allow_descriptors(limits))
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(_without_traceback)
    config = uvicorn.Config(
        app,
        http=protocol_class(limits),
        ws="none",
        forwarded_allow_ips=forwarded_allow_ips,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=limits.idle_seconds + 1,  # the protocol's own limit comes first
        timeout_graceful_shutdown=grace_seconds,
        backlog=BACKLOG,
    )
    return Server(config, app)


def freeze_garbage_collection() -> None:
    """Exclude everything that lives as long as the process from garbage collection: each full collection of it would
    delay all deliveries by tens of milliseconds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _without_traceback(record: logging.LogRecord) -> bool:
    """Replace the traceback by the exception's kind and place: its text may quote a request."""
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        record.msg, record.args = "%s: %s at %s", (record.name, type(error).__name__, places(error))
        record.exc_info = record.exc_text = None
    return True
