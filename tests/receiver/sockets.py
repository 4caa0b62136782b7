"""Raw connections to the receiver, for requests that no HTTP client would send."""

import socket

from tests.receiver.steps import HOOK, Receiver


def connect(receiver: Receiver) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(receiver.url.rpartition(":")[2])), timeout=60)


def request_head(method: str = "POST", path: str = HOOK, *headers: str, length: int | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def read_status(connection: socket.socket) -> int | None:
    """Of the next answer; None when the connection is closed without one."""
    try:
        line = connection.recv(65536)
    except ConnectionError:
        return None
    return int(line[9:12]) if line else None


def is_closed_within(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def send_until_closed(connection: socket.socket, part: bytes, most: int) -> int:
    """Send the part again and again; return how many bytes were sent before the connection was closed."""
    sent = 0
    try:
        while sent < most:
            connection.sendall(part)
            sent += len(part)
    except ConnectionError:
        pass
    return sent
