"""Builds the receiver's app. Nothing connects to the database before the first request needs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from hostaway_pipeline.settings import Settings, load_settings
from hostaway_pipeline.store.accounts.webhooks import Credential, SealedCredential
from hostaway_pipeline.wiring import open_services, services_on
from webhook_receiver.auth import ApiKeys, WrongTries
from webhook_receiver.delivery_auth import Logins, Signatures
from webhook_receiver.deps import Receiver
from webhook_receiver.errors import add_error_handlers
from webhook_receiver.inbox_writer import InboxWriter
from webhook_receiver.middleware import BodyLimit, HeadRequests, LastResort, RequestIds
from webhook_receiver.probes import Probes
from webhook_receiver.results import Results
from webhook_receiver.routes import accounts, events, guests, health, messages, webhooks

# Threads for calls of the API. Each may hold a database connection while it waits for Hostaway; the pool is larger.
_THREADS = 20
DESCRIPTION = """
Receives Hostaway's webhooks and manages the accounts that are synced.

* **Webhooks** are authenticated by the login and password that were registered for each account (HTTP basic).
* **Everything else** except the probes needs `Authorization: Bearer <key>`, with a key of `HOSTAWAY_API_KEYS`.

Errors are `{"detail": "..."}`: what happened and what to do. Every answer has the header `X-Request-ID`.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Raises ConfigurationError. The database may be unavailable: `/ready` reports its state."""
    app = FastAPIOffline(  # /docs, where keys are typed in, loads no script from another host
        title="hostaway-pipeline",
        summary="Receiver of Hostaway's webhooks, and the service's own API",
        description=DESCRIPTION,
        version="0.1.0",
        lifespan=_lifespan,
        redoc_url=None,
    )
    app.state.receiver = _build_receiver(settings or load_settings())
    # Inserted at the root, before all others, and not included: each router on the way slows down every delivery.
    app.router.routes[:0] = webhooks.router.routes
    for routes in (accounts, events, guests, messages, health):
        app.include_router(routes.router)
    add_error_handlers(app)
    for layer in (BodyLimit, LastResort, HeadRequests, RequestIds):  # the last one is the outermost
        app.add_middleware(layer)
    return app


def _build_receiver(settings: Settings) -> Receiver:
    services = open_services(settings, create=False)
    probes = Probes(services_on(settings, services.database.url(show_password=True)))
    services.count_with(probes.services.telemetry)
    if settings.database_url is not None:
        _ = services.keyring  # raises when no key is set; the embedded database keeps its own key

    # Not bound methods: `services.webhooks` needs the key, which the embedded database has only once it has started.
    def find_logins(logins: list[str]) -> list[SealedCredential]:
        return services.webhooks.find(logins)

    def open_password(found: SealedCredential) -> Credential:
        return services.webhooks.unseal(found)

    return Receiver(
        services=services,
        logins=Logins(find_logins, open_password),
        signatures=Signatures.of(settings),
        api_keys=ApiKeys.of(settings),
        wrong_tries=WrongTries(),
        writer=InboxWriter(services.inbox.accept),
        results=Results(),
        probes=probes,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    receiver: Receiver = app.state.receiver
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield
    await receiver.writer.close()
    receiver.logins.close()
    receiver.services.close()
    receiver.probes.close()
