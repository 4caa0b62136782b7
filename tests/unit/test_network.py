"""A proxy and a private certificate authority between us and Hostaway."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hostaway_pipeline.client.transport import Transport
from hostaway_pipeline.errors import Aborted, ConfigurationError, NetworkError
from tests.certificates import certificate

HOST = "hostaway.test"  # no resolver knows it: only the proxy reaches it
BODY = b'{"status": "success", "result": []}'


class Hostaway(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/slow"):
            time.sleep(60)
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None: ...


class Proxy(BaseHTTPRequestHandler):
    """Connects every CONNECT to `target`, whatever name it asks for."""

    target: tuple[str, int]
    asked: list[str]

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        with socket.create_connection(self.target) as server:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=pump, args=(server, self.connection), daemon=True)
            back.start()
            pump(self.connection, server)
            back.join()

    def log_message(self, *_: object) -> None: ...


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("authority"), HOST)


@pytest.fixture(scope="module")
def servers(authority: Path) -> Iterator[tuple[str, str, list[str]]]:
    """The URL of Hostaway, that of the proxy, and what the proxy was asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    hostaway = serving(Hostaway, context)
    asked: list[str] = []
    proxy = serving(type("Target", (Proxy,), {"target": hostaway.server_address, "asked": asked}))
    port = hostaway.server_address[1]
    yield f"https://{HOST}:{port}", f"http://user:sesame@127.0.0.1:{proxy.server_address[1]}", asked
    for server in (proxy, hostaway):
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_proxy_and_a_private_authority_lead_to_hostaway(
    servers: tuple[str, str, list[str]], authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, proxy, asked = servers
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    transport = Transport(url, connections=1)
    assert transport.call("GET", "/listings", "token").result == []
    assert transport.status_without_token("/listings") == 200
    assert asked[-1] == url.removeprefix("https://")
    transport.close()


def test_an_authority_that_nobody_named_is_not_trusted(
    servers: tuple[str, str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, proxy, _ = servers
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(NetworkError, match="TLS failed; SSL_CERT_FILE"):
        Transport(url, connections=1).call("GET", "/listings", "token")


def test_a_request_through_a_proxy_can_be_aborted(
    servers: tuple[str, str, list[str]], authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, proxy, _ = servers
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    transport = Transport(url, connections=1)
    began = time.monotonic()
    threading.Timer(0.5, transport.abort).start()
    with pytest.raises(Aborted):
        transport.call("GET", "/slow", "token")
    assert time.monotonic() - began < 30


def test_a_proxy_that_is_away_is_named_without_its_password(
    servers: tuple[str, str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:sesame@127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(NetworkError, match="the proxy in HTTPS_PROXY") as caught:
            Transport(servers[0], connections=1).call("GET", "/listings", "token")
    assert "sesame" not in str(caught.value)


def test_a_proxy_is_not_asked_for_what_it_must_not_reach(
    servers: tuple[str, str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, proxy, asked = servers
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", HOST)
    before = len(asked)
    with pytest.raises(NetworkError, match="refused or cut"):
        Transport(url, connections=1).call("GET", "/listings", "token")
    with pytest.raises(NetworkError):
        Transport("https://127.0.0.1:1", connections=1).call("GET", "/listings", "token")
    assert len(asked) == before


def test_certificates_that_are_missing_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE names /no/such/file.pem, which does not exist"):
        Transport("https://api.hostaway.com/v1", connections=1)
