"""`python -m webhook_receiver`: serve, on the loopback interface unless told otherwise."""

import argparse
import socket
import sys
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from hostaway_pipeline.errors import ConfigurationError, PipelineError
from hostaway_pipeline.log import configure_logging
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.stopping import unwind_on_signals
from webhook_receiver.app import create_app

# A delivery is answered within milliseconds; Hostaway repeats one that is cut off.
_GRACE_SECONDS = 3
_BACKLOG = 2048


class Server(uvicorn.Server):
    """Asked to end, it gives up what it asks Hostaway itself: that could take longer than all clients together."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.receiver.services.abort()
        await super().shutdown(sockets)


def main() -> None:
    """Returns after SIGTERM or Ctrl-C; then, at the process's exit, the embedded Postgres is left."""
    unwind_on_signals()
    with suppress(KeyboardInterrupt):  # uvicorn stops cleanly and then raises the signal again
        _serve()


def _serve() -> None:
    parser = argparse.ArgumentParser(prog="python -m webhook_receiver", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="interface to listen on")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument(
        "--forwarded-allow-ips", default="127.0.0.1", help="proxies whose X-Forwarded-For is believed, comma-separated"
    )
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        app = create_app(settings)
        listener = listening_socket(arguments.host, arguments.port)
    except PipelineError as error:
        sys.exit(f"hostaway: {error}")
    config = uvicorn.Config(
        app,
        forwarded_allow_ips=arguments.forwarded_allow_ips,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        backlog=_BACKLOG,
    )
    Server(config, app).run([listener])


def listening_socket(host: str, port: int) -> socket.socket:
    """Raises ConfigurationError when nobody can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"cannot listen on {host} port {port} ({reason}); choose with --host, --port"
        ) from None


if __name__ == "__main__":
    main()
