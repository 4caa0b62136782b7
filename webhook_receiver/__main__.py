"""`python -m webhook_receiver`: serve the receiver, by default on the loopback interface only."""

import argparse
import signal
import socket
import sys
from contextlib import suppress

from hostaway_pipeline.errors import ConfigurationError, PipelineError
from hostaway_pipeline.log import configure_logging
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.stopping import unwind_on_signals
from webhook_receiver.app import create_app
from webhook_receiver.serving import BACKLOG, freeze_garbage_collection, server


def main() -> None:
    """Serve until SIGTERM, Ctrl-C or SIGHUP. The embedded Postgres is released when the process exits."""
    unwind_on_signals()
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # uvicorn would be cut off: it handles the other two
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    with suppress(KeyboardInterrupt):  # uvicorn stops cleanly and then raises the signal again
        _serve()


def _serve() -> None:
    parser = argparse.ArgumentParser(prog="python -m webhook_receiver", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="interface to listen on")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on")
    parser.add_argument(
        "--forwarded-allow-ips", default="127.0.0.1", help="proxies whose X-Forwarded-For is trusted, comma-separated"
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
    freeze_garbage_collection()
    serving.run([listener])


def listening_socket(host: str, port: int) -> socket.socket:
    """Raises ConfigurationError when the address cannot be listened on."""
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
