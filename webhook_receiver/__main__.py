"""`python -m webhook_receiver`: serve, on the loopback interface unless told otherwise."""

import argparse
import socket
import sys
from contextlib import suppress

from hostaway_pipeline.errors import ConfigurationError, PipelineError
from hostaway_pipeline.log import configure_logging
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.stopping import unwind_on_signals
from webhook_receiver.app import create_app
from webhook_receiver.serving import BACKLOG, server, spare_collections


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
    serving = server(app, forwarded_allow_ips=arguments.forwarded_allow_ips)
    spare_collections()
    serving.run([listener])


def listening_socket(host: str, port: int) -> socket.socket:
    """Raises ConfigurationError when nobody can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"cannot listen on {host} port {port} ({reason}); choose with --host, --port"
        ) from None


if __name__ == "__main__":
    main()
