"""`python -m webhook_receiver`: serve, on the loopback interface unless told otherwise."""

import argparse
import socket
import sys
from contextlib import suppress

import uvicorn

from hostaway_pipeline.errors import ConfigurationError, PipelineError
from hostaway_pipeline.log import configure_logging
from hostaway_pipeline.settings import load_settings
from webhook_receiver.app import create_app

# Hostaway gives up after 20 s: what is under way has an answer by then.
_GRACE_SECONDS = 20
_BACKLOG = 2048


def main() -> None:
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
    with suppress(KeyboardInterrupt):  # uvicorn stops cleanly and then raises the signal again
        uvicorn.Server(config).run([listener])


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
