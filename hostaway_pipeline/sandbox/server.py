"""Runs the sandbox, in a thread beside a test or in the foreground. What it answers is in api/."""

import gc
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import uvicorn

from hostaway_pipeline.sandbox.api.routes import create_app
from hostaway_pipeline.sandbox.config import SandboxConfig
from hostaway_pipeline.sandbox.world.world import Sandbox

LOOPBACK = "127.0.0.1"
START_TIMEOUT = 30.0


class SandboxServer:
    """Serves on a free loopback port for the length of a block: `with SandboxServer(config) as sandbox:`."""

    def __init__(self, config: SandboxConfig | None = None, *, host: str = LOOPBACK, port: int = 0) -> None:
        self.sandbox = Sandbox(config or SandboxConfig())
        self.config = self.sandbox.config
        self.world = self.sandbox.world
        self.tokens = self.sandbox.tokens
        self.limits = self.sandbox.limits
        self.counters = self.sandbox.counters
        self.faults = self.sandbox.faults
        self.drift = self.sandbox.drift
        self.deliveries = self.sandbox.deliveries
        self.traffic = self.sandbox.traffic
        self._host, self._port = host, port
        self._server = http_server(self.sandbox)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The base URL, in place of https://api.hostaway.com/v1."""
        return f"{self.root_url}/v1"

    @property
    def root_url(self) -> str:
        """The URL below which /_sandbox is served."""
        return f"http://{self._host}:{self._port}"

    def start(self) -> Self:
        listener = listening_socket(self._host, self._port)
        self._port = listener.getsockname()[1]
        run = self._server.run
        self._thread = threading.Thread(target=run, args=([listener],), name="hostaway-sandbox", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_TIMEOUT
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.002)
        self.traffic.start()
        return self

    def stop(self) -> None:
        self.traffic.stop()
        self.sandbox.is_closing = True
        self._server.should_exit = True
        self.deliveries.stop()
        if self._thread:
            self._thread.join(START_TIMEOUT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def serve(
    config: SandboxConfig,
    host: str = LOOPBACK,
    port: int = 8910,
    *,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Raises OSError when the port is taken, before any account is generated."""
    listener = listening_socket(host, port)
    sandbox = Sandbox(config)
    # The objects live as long as the process: keep the garbage collector from walking them repeatedly.
    gc.freeze()
    if on_ready:
        on_ready(f"http://{host}:{listener.getsockname()[1]}/v1")
    # uvicorn shuts down cleanly and then raises the signal again; Ctrl-C is the normal way to stop.
    with suppress(KeyboardInterrupt):
        sandbox.traffic.start()
        http_server(sandbox).run([listener])


def listening_socket(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def http_server(sandbox: Sandbox) -> uvicorn.Server:
    """A server without access log and lifespan; the client's address is the socket's, not a proxy header's."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(sandbox),
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
    )
