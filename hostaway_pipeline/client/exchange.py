"""One request and its answer, from the first packet to the last byte, which can be cut off at any moment.

A timeout between bytes ends no answer that dribbles, and a thread that waits for a socket hears nothing else. What
ends both, whatever the socket is at (connecting, TLS, headers, body), is to shut it down from another thread.
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

_of_thread = threading.local()


class Exchange:
    """One exchange of the thread that enters the block; `cut` ends it from any thread."""

    def __init__(self, began: float, ended: Callable[["Exchange"], None]) -> None:
        self.began = began
        self.cut_as: NetworkError | None = None
        self._ended = ended
        self._lock = threading.Lock()
        self._cuts: list[Callable[[], None]] = []
        self._handles: list[socket.socket] = []

    def __enter__(self) -> Self:
        _of_thread.exchange = self
        return self

    def __exit__(self, *_: object) -> None:
        _of_thread.exchange = None
        self._ended(self)
        with self._lock:
            self._cuts.clear()
            for handle in self._handles:
                handle.close()

    def cut(self, error: NetworkError) -> None:
        """Whatever the exchange waits for ends now; `cut_as` says why."""
        with self._lock:
            self.cut_as = self.cut_as or error
            for cut in self._cuts:
                cut()

    def watch(self, sock: socket.socket) -> None:
        """To be called before the thread waits for this socket. Raises OSError after a cut.

        A duplicate is kept: it reaches the connection whatever wraps, detaches or closes the original.
        """
        handle = socket.socket(fileno=os.dup(sock.fileno()))
        with self._lock:
            self._handles.append(handle)
        self._on_cut(lambda: _shut_down(handle))

    def addresses(self, host: str, port: int) -> list[Any]:
        """`getaddrinfo`, in a thread that nobody has to wait for: nothing else ends a look-up. Raises OSError."""
        answers: SimpleQueue[list[Any] | OSError] = SimpleQueue()

        def look_up() -> None:
            try:
                answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
            except UnicodeError as error:
                answers.put(OSError(str(error)))
            except OSError as error:
                answers.put(error)

        self._on_cut(lambda: answers.put(OSError("cut off")))
        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        found = answers.get()
        if isinstance(found, OSError):
            raise found
        return found

    def _on_cut(self, cut: Callable[[], None]) -> None:
        with self._lock:
            if self.cut_as is not None:
                raise OSError("cut off")
            self._cuts.append(cut)


class Exchanges:
    """The exchanges under way in one transport. None lasts longer than `seconds`; after `abort` there are none."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._changed = threading.Condition()
        self._under_way: dict[Exchange, None] = {}  # oldest first
        self._is_watched = False
        self._is_aborted = False

    def begin(self) -> Exchange:
        """Raises Aborted once `abort` was called."""
        with self._changed:
            if self._is_aborted:
                raise Aborted()
            exchange = Exchange(time.monotonic(), self._end)
            self._under_way[exchange] = None
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._watch, name="deadlines", daemon=True).start()
        return exchange

    def abort(self) -> None:
        with self._changed:
            self._is_aborted = True
            under_way = list(self._under_way)
            self._changed.notify_all()
        for exchange in under_way:
            exchange.cut(Aborted())

    def _end(self, exchange: Exchange) -> None:
        with self._changed:
            self._under_way.pop(exchange, None)

    def _watch(self) -> None:
        """Ends by itself once nothing was under way for a while. An exchange that begins while it sleeps ends later."""
        with self._changed:
            while not self._is_aborted:
                now = time.monotonic()
                late = [one for one in self._under_way if one.began + self._seconds <= now]
                for exchange in late:
                    exchange.cut(NetworkError(f"no whole answer within {self._seconds:g} s"))
                    del self._under_way[exchange]
                oldest = next(iter(self._under_way), None)
                wait = self._seconds if oldest is None else oldest.began + self._seconds - now
                self._changed.wait(wait)
                if oldest is None and not self._under_way:
                    break
            self._is_watched = False


class _Cuttable(HTTPConnection):
    """Shows each socket to its thread's exchange before anybody waits for it."""

    def _new_conn(self) -> socket.socket:
        try:
            return _connected(_of_thread.exchange, self.host, self.port, self.timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "connecting timed out") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # kept alive since an earlier exchange, or just connected for TLS
            _of_thread.exchange.watch(self.sock)
        super().request(*args, **kwargs)


class _CuttableTls(_Cuttable, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Cuttable


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _CuttableTls


POOLS = {"http": _Pool, "https": _TlsPool}


def _connected(exchange: Exchange, host: str, port: int, seconds: float | None) -> socket.socket:
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in exchange.addresses(host.strip("[]"), port):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(seconds)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            exchange.watch(sock)
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _shut_down(handle: socket.socket) -> None:
    with suppress(OSError):  # not connected yet, or not any more
        handle.shutdown(socket.SHUT_RDWR)
