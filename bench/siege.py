"""What rude callers send: wrong logins, and requests that never end."""

import base64
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.synchronize import Event

from hostaway_pipeline.store.accounts.webhooks import Credential

PATH = "/webhooks/hostaway"
MEBIBYTE = 2**20


def request(login: str, address: str = "", body: bytes = b"{}") -> bytes:
    token = base64.b64encode(f"{login}:wrong".encode()).decode()
    forwarded = f"X-Forwarded-For: {address}\r\n" if address else ""
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n{forwarded}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


class Siege:
    """Endless headers and URLs, slow bodies, idle connections, and wrong logins from everywhere, all at once."""

    def __init__(self, port: int, credential: Credential) -> None:
        self._port = port
        right = base64.b64encode(f"{credential.login}:{credential.password}".encode())
        self._slow = b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n" % (
            PATH.encode(), right, MEBIBYTE,
        )  # fmt: skip

    def run(self, ended: Event) -> None:
        works: list[Callable[[Event], None]] = [self.idle, self.slow_bodies, self.wrong_logins]
        works += [partial(self.endless, b"GET / HTTP/1.1\r\nX-Endless: "), partial(self.endless, b"GET /")]
        threads = [threading.Thread(target=work, args=(ended,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=5)

    def idle(self, ended: Event) -> None:
        held: list[socket.socket] = []
        while not ended.is_set():
            if len(held) < 2_000:
                with suppress(OSError):
                    held.append(self.connect())
            else:
                time.sleep(0.05)
        for one in held:
            one.close()

    def slow_bodies(self, ended: Event) -> None:
        """Three hundred bodies of a mebibyte with right credentials, each some bytes a second."""
        held: list[socket.socket] = []
        while not ended.is_set():
            while len(held) < 300:
                one = self.connect()
                one.sendall(self._slow)
                held.append(one)
            alive = []
            for one in held:
                with suppress(OSError):
                    one.sendall(b"x" * 2048)
                    alive.append(one)
            held = alive
            time.sleep(0.2)
        for one in held:
            one.close()

    def endless(self, begin: bytes, ended: Event) -> None:
        while not ended.is_set():
            with suppress(OSError), self.connect() as one:
                one.sendall(begin)
                for _ in range(200 * 16):
                    one.sendall(b"u" * 65536)

    def wrong_logins(self, ended: Event) -> None:
        """Sixty thousand addresses, as a trusted proxy tells them."""
        selector = selectors.DefaultSelector()
        number = 0
        for _ in range(8):
            one = self.connect()
            selector.register(one, selectors.EVENT_READ)
            one.sendall(request("somebody", "203.0.113.1"))
        while not ended.is_set() and number < 60_000:
            for key, _ in selector.select(0.1):
                number += 1
                address = f"10.{number // 62500}.{number // 250 % 250}.{number % 250}"
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                try:
                    connection.recv(65536)
                    connection.sendall(request("somebody", address))
                except OSError:  # it was evicted
                    selector.unregister(connection)
                    again = self.connect()
                    selector.register(again, selectors.EVENT_READ)
                    again.sendall(request("somebody", address))
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()


def besiege(port: int, credential: Credential, ended: Event) -> None:
    Siege(port, credential).run(ended)
