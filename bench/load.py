"""A load generator that is cheap compared with what it measures: keep-alive connections and no HTTP library."""

import argparse
import base64
import json
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

_PAYLOAD_BYTES = 1_500


@dataclass(slots=True)
class Load:
    """The latencies in seconds, in the order of the answers, and the number of answers by status."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    sent_at: float = 0.0
    received: bytes = b""


def deliveries(path: str, login: str, password: str, account_id: int, first_id: int = 1) -> Iterator[bytes]:
    """An endless series of deliveries of 1.5 KB, each an event of another reservation."""
    token = base64.b64encode(f"{login}:{password}".encode()).decode()
    payload = {"id": 0, "listingMapId": 40, "status": "new", "updatedOn": "2026-06-02 10:00:00", "totalPrice": 211.62}
    payload |= {f"key{number}": None if number % 3 else f"value {number}" for number in range(45)}
    body = {"object": "reservation", "event": "reservation.updated", "accountId": account_id, "data": payload}
    payload["hostNote"] = "x" * (_PAYLOAD_BYTES - len(json.dumps(body)) - 30)
    text = json.dumps(body)
    before, after = text.split('"id": 0,', 1)
    length = len(text) + 9
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    start, end = f'{head}{before}"id": '.encode(), f",{after}".encode()
    for object_id in count(first_id):
        yield b"%s%010d%s" % (start, 1_000_000_000 + object_id, end)


def run(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Load:
    """Send requests for `seconds`; each connection sends the next one when it has its answer."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = _Connection(socket.create_connection(("127.0.0.1", port)))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        _send(connection, requests)
    began = time.perf_counter()
    load = Load(seconds)
    while (now := time.perf_counter()) - began < seconds:
        for key, _ in selector.select(0.1):
            _receive(key.data, load, requests)
    load.seconds = now - began
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    selector.close()
    return load


def _send(connection: _Connection, requests: Iterator[bytes]) -> None:
    connection.received = b""
    connection.sent_at = time.perf_counter()
    connection.socket.sendall(next(requests))


def _receive(connection: _Connection, load: Load, requests: Iterator[bytes]) -> None:
    part = connection.socket.recv(65536)
    if not part:
        raise ConnectionError("the server closed a connection")
    connection.received += part
    head, separator, body = connection.received.partition(b"\r\n\r\n")
    if not separator:
        return
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    if len(body) < length:
        return
    load.latencies.append(time.perf_counter() - connection.sent_at)
    status = int(head[9:12])
    load.statuses[status] = load.statuses.get(status, 0) + 1
    _send(connection, requests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/webhooks/hostaway")
    parser.add_argument("--credential", required=True, help="login:password")
    parser.add_argument("--account", type=int, required=True)
    parser.add_argument("--first-id", type=int, default=1)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    login, _, password = arguments.credential.partition(":")
    requests = deliveries(arguments.path, login, password, arguments.account, arguments.first_id)
    load = run(arguments.port, requests, connections=arguments.connections, seconds=arguments.seconds)
    report = {"rate": load.rate, "p50": load.percentile(0.5), "p99": load.percentile(0.99), "statuses": load.statuses}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
