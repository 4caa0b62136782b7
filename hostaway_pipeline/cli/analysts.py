"""Makes the database reachable for analysts: for `hostaway db serve`, `hostaway up` and `hostaway demo`."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from hostaway_pipeline.cli.stack import free_port, require_free
from hostaway_pipeline.embedded.access import require_password
from hostaway_pipeline.embedded.gateway import HOST, Gateway
from hostaway_pipeline.embedded.host import program
from hostaway_pipeline.errors import ConfigurationError, PipelineError
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.locks import analysts_lock
from hostaway_pipeline.store.roles import ANALYST, AnalystRole, allow_analyst
from hostaway_pipeline.wiring import DATABASE, embedded_postgres

PORT = 5433  # a Postgres of the machine's own has 5432


@dataclass(frozen=True)
class Access:
    """How analysts connect, as long as this process serves them."""

    port: int
    password: str = field(repr=False)

    @property
    def psql(self) -> str:
        command = shutil.which("psql") and "psql"
        return f'{command or program("psql")} "{self.url("postgresql")}"'

    def url(self, scheme: str) -> str:
        return f"{scheme}://{ANALYST}:{self.password}@{HOST}:{self.port}/{DATABASE}"

    def lines(self) -> Iterator[str]:
        """The connection in the form of each client."""
        yield f"psql       {self.psql}"
        yield f"pandas     {self.url('postgresql+psycopg')}"
        yield "Metabase, Power BI (without encryption: the connection stays on this machine)"
        fields = {"host": HOST, "port": self.port, "database": DATABASE, "user": ANALYST, "password": self.password}
        yield from (f"  {name:<9}{value}" for name, value in fields.items())


@contextmanager
def serve_analysts(
    settings: Settings, services: Services, port: int, role: AnalystRole = "analyst_read"
) -> Iterator[Access]:
    """Serve the embedded database on this loopback port, to one user with a new password, until the block ends.

    Raises ConfigurationError when the port is taken, or another process serves this database.
    """
    server = embedded_postgres(settings.home.absolute())
    access = Access(port, secrets.token_urlsafe(24))
    with analysts_lock(services.database) as is_taken:
        if not is_taken:
            raise ConfigurationError(
                "another process (`hostaway up`, `demo` or `db serve`) serves analysts already: its output has the "
                "address and the password"
            )
        require_password(server, user=ANALYST, database=DATABASE)
        allow_analyst(services.database, access.password, role)
        with Gateway(port, server.socket, user=ANALYST):
            yield access


@contextmanager
def analysts_served(settings: Settings, services: Services) -> Iterator[str]:
    """As `serve_analysts`, on any port; yields the line to print. The stack does without if it cannot be done."""
    if settings.database_url is not None:
        yield "analysts: `hostaway db serve` says how they connect"
        return
    with ExitStack() as stack:
        try:
            line = f"analysts: {stack.enter_context(serve_analysts(settings, services, _some_port())).psql}"
        except PipelineError as error:
            line = f"analysts cannot connect: {error}"
        yield line


def _some_port() -> int:
    try:
        require_free(PORT, "--port")
    except ConfigurationError:
        return free_port()
    return PORT
