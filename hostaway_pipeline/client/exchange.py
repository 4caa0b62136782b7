"""HTTP exchanges (one request and its answer) with a total deadline, which any thread can cancel.

A read timeout never ends an answer that keeps trickling, and a thread that waits for a socket cannot be interrupted.
Shutting the socket down from another thread ends both, at any stage: connecting, TLS, headers or body.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Self

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from hostaway_pipeline.errors import Aborted, NetworkError

_current = threading.local()


class Exchange:
    """The exchange of the thread that enters the block; `cancel` ends it from any thread."""

    def __init__(self, began: float, on_end: Callable[["Exchange"], None]) -> None:
        self.began = began
        self.cancelled_by: NetworkError | None = None
        self._on_end = on_end
        self._lock = threading.Lock()
        self._cancels: list[Callable[[], None]] = []
        self._handles: list[socket.socket] = []

    def __enter__(self) -> Self:
        _current.exchange = self
        return self

    def __exit__(self, *_: object) -> None:
        _current.exchange = None
        self._on_end(self)
        with self._lock:
            self._cancels.clear()
            for handle in self._handles:
                handle.close()

    def cancel(self, error: NetworkError) -> None:
        """End whatever the exchange waits for; `cancelled_by` keeps the reason."""
        with self._lock:
            self.cancelled_by = self.cancelled_by or error
            for cancel in self._cancels:
                cancel()

    def track(self, sock: socket.socket) -> None:
        """Register a socket before the thread waits for it. Raises OSError when the exchange is cancelled.

        Keeps a duplicate, which reaches the connection even when the original is wrapped, detached or closed.
        """
        handle = socket.socket(fileno=os.dup(sock.fileno()))
        with self._lock:
            self._handles.append(handle)
        self._on_cancel(lambda: _shut_down(handle))

    def resolve(self, host: str, port: int) -> list[Any]:
        """`getaddrinfo` in a thread of its own, because nothing can interrupt a look-up. Raises OSError."""
        answers: SimpleQueue[list[Any] | OSError] = SimpleQueue()

        def look_up() -> None:
            try:
                answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
            except UnicodeError as error:
                answers.put(OSError(str(error)))
            except OSError as error:
                answers.put(error)

        self._on_cancel(lambda: answers.put(OSError("cancelled")))
        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        answer = answers.get()
        if isinstance(answer, OSError):
            raise answer
        return answer

    def require_uncancelled(self) -> None:
        """Raises OSError when the exchange is cancelled."""
        if self.cancelled_by is not None:
            raise OSError("cancelled")

    def _on_cancel(self, cancel: Callable[[], None]) -> None:
        with self._lock:
            self.require_uncancelled()
            self._cancels.append(cancel)


class Exchanges:
    """The exchanges of one transport. None lasts longer than `seconds`; after `abort` none begins."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._changed = threading.Condition()
        self._under_way: dict[Exchange, None] = {}  # oldest first
        self._has_watchdog = False
        self._is_aborted = False

    def begin(self) -> Exchange:
        """Start an exchange, and its deadline. Raises Aborted after `abort`."""
        with self._changed:
            if self._is_aborted:
                raise Aborted()
            exchange = Exchange(time.monotonic(), self._end)
            self._under_way[exchange] = None
            if not self._has_watchdog:
                self._has_watchdog = True
                threading.Thread(target=self._enforce_deadlines, name="deadlines", daemon=True).start()
        return exchange

    def abort(self) -> None:
        """Cancel all exchanges with Aborted, from any thread."""
        with self._changed:
            self._is_aborted = True
            under_way = list(self._under_way)
            self._changed.notify_all()
        for exchange in under_way:
            exchange.cancel(Aborted())

    def _end(self, exchange: Exchange) -> None:
        with self._changed:
            self._under_way.pop(exchange, None)

    def _enforce_deadlines(self) -> None:
        """Runs in its own thread, which ends when no exchange was under way for `seconds`.

        All deadlines are equally long, so an exchange that begins during a wait expires after the wait ends.
        """
        with self._changed:
            while not self._is_aborted:
                now = time.monotonic()
                late = [exchange for exchange in self._under_way if exchange.began + self._seconds <= now]
                for exchange in late:
                    exchange.cancel(NetworkError(f"no whole answer within {self._seconds:g} s"))
                    del self._under_way[exchange]
                oldest = next(iter(self._under_way), None)
                wait = self._seconds if oldest is None else oldest.began + self._seconds - now
                self._changed.wait(wait)
                if oldest is None and not self._under_way:
                    break
            self._has_watchdog = False


class _CancellableConnection(HTTPConnection):
    """Registers each socket with the exchange of its thread before that thread waits for it."""

    def _new_conn(self) -> socket.socket:
        try:
            return _connect(_current.exchange, self.host, self.port, self.timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "connecting timed out") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # kept alive since an earlier exchange, or just connected for TLS
            _current.exchange.track(self.sock)
        super().request(*args, **kwargs)


class _CancellableTlsConnection(_CancellableConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _CancellableConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _CancellableTlsConnection


POOLS = {"http": _Pool, "https": _TlsPool}


def _connect(exchange: Exchange, host: str, port: int, seconds: float | None) -> socket.socket:
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in exchange.resolve(host.strip("[]"), port):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(seconds)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            exchange.track(sock)
            sock.connect(address)
            exchange.require_uncancelled()  # a shutdown before the connect had no effect
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _shut_down(handle: socket.socket) -> None:
    with suppress(OSError):  # not connected yet, or not any more
        handle.shutdown(socket.SHUT_RDWR)
