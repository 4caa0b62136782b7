"""Forwards loopback TCP to the embedded Postgres, whose Unix socket TCP clients cannot use, for one user only.

The server trusts its socket, so a client's login packet never reaches it: the gateway writes one of its own, which
names that user, and Postgres asks for the user's password (access.py). To listen itself, Postgres would need a restart,
which cuts the connections of other processes.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from hostaway_pipeline.errors import ConfigurationError

HOST = "127.0.0.1"
# The codes of the first packet, which stand in the place of the protocol's version.
_CANCEL, _TLS, _GSS = 80877102, 80877103, 80877104
_PROTOCOL = 3
_MAX_LOGIN_BYTES = 10_000  # as in Postgres
_LOGIN_SECONDS = 10.0
# Below the server's max_connections: a flood of clients without a password must leave room for our own processes.
_MAX_CLIENTS = 40
_CHUNK = 1 << 16
_POLL_SECONDS = 0.2


class _Refused(Exception):
    """The client gets this text, with a SQLSTATE."""

    def __init__(self, state: str, text: str) -> None:
        super().__init__(text)
        self.packet = _packet(b"E", f"SFATAL\0VFATAL\0C{state}\0M{text}\0\0".encode())


class Gateway:
    """Listens from `__init__` to `close`. Raises ConfigurationError when the port cannot be bound.

    `upstream` returns the path of the server's socket, which a restart may change.
    """

    def __init__(self, port: int, upstream: Callable[[], Path], *, user: str) -> None:
        self._upstream = upstream
        self._user = user.encode()
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((HOST, port))
            self._listener.listen()
            self._listener.settimeout(_POLL_SECONDS)  # on some systems closing it does not end a waiting accept
        except OSError as error:
            self._listener.close()
            raise ConfigurationError(
                f"port {port} cannot be used ({error.strerror}); choose another with --port"
            ) from None
        self._thread = threading.Thread(target=self._accept, name="gateway", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut all connections."""
        self._is_closed.set()
        self._thread.join()
        self._listener.close()
        with self._lock:
            for client in self._clients:
                _cut(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._is_closed.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:  # the client has gone, or there are no descriptors left
                time.sleep(_POLL_SECONDS)
                continue
            threading.Thread(target=self._handle, args=(client,), daemon=True).start()

    def _handle(self, client: socket.socket) -> None:
        with client, ExitStack() as stack, suppress(OSError):
            try:
                self._enter(client, stack)
                server = stack.enter_context(self._log_in(client))
            except _Refused as refusal:
                client.sendall(refusal.packet)
                return
            back = threading.Thread(target=_forward, args=(server, client), daemon=True)
            back.start()
            _forward(client, server)
            back.join()

    def _enter(self, client: socket.socket, stack: ExitStack) -> None:
        with self._lock:
            if self._is_closed.is_set():
                raise ConnectionAbortedError
            if len(self._clients) >= _MAX_CLIENTS:
                raise _Refused("53300", "too many connections")
            self._clients.add(client)
        stack.callback(self._leave, client)

    def _leave(self, client: socket.socket) -> None:
        with self._lock:
            self._clients.discard(client)

    def _log_in(self, client: socket.socket) -> socket.socket:
        """A connection to the server on which the client's login, made safe, is sent."""
        client.settimeout(_LOGIN_SECONDS)
        code, body = _read_login(client, time.monotonic() + _LOGIN_SECONDS)
        login = struct.pack("!I", code) + (body if code == _CANCEL else self._safe_login(body))
        client.settimeout(None)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self._upstream()))
            server.sendall(_packet(b"", login))
        except OSError:
            server.close()
            raise _Refused("57P03", "the database does not run at the moment; try again") from None
        return server

    def _safe_login(self, body: bytes) -> bytes:
        """The client's parameters, each once, with our user, so that no reading of this packet names another one."""
        fields = body.split(b"\0")
        names, values = fields[:-2:2], fields[1:-2:2]
        if fields[-2:] != [b"", b""] or len(names) != len(values) or b"" in names:
            raise _Refused("08P01", "the login packet is malformed")
        parameters = dict(zip(names, values, strict=True))
        if parameters.get(b"user") != self._user:
            raise _Refused("28000", f"only the user {self._user.decode()} may connect here")
        parameters[b"user"] = self._user
        return b"".join(name + b"\0" + value + b"\0" for name, value in parameters.items()) + b"\0"


def _read_login(client: socket.socket, deadline: float) -> tuple[int, bytes]:
    """The code and the body of the login packet. Encryption is declined: the bytes do not leave this machine."""
    for _ in range(3):  # a client may ask for GSS and for TLS before it logs in
        length, code = struct.unpack("!II", _receive(client, 8, deadline))
        if not 8 <= length <= _MAX_LOGIN_BYTES:
            raise _Refused("08P01", "this is not the start of a Postgres connection")
        body = _receive(client, length - 8, deadline)
        if code not in (_TLS, _GSS):
            if code != _CANCEL and code >> 16 != _PROTOCOL:
                raise _Refused("0A000", f"only version {_PROTOCOL} of the protocol is supported")
            return code, body
        client.sendall(b"N")
    raise _Refused("08P01", "the client asked for encryption again")


def _receive(client: socket.socket, count: int, deadline: float) -> bytes:
    received = b""
    while len(received) < count:
        client.settimeout(max(deadline - time.monotonic(), 0.001))
        chunk = client.recv(count - len(received))
        if not chunk:
            raise ConnectionError
        received += chunk
    return received


def _forward(source: socket.socket, target: socket.socket) -> None:
    """Copy until either end closes, then cut both."""
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
    _cut(target)
    _cut(source)


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _packet(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body
