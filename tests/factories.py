"""Shared helpers: make settings, accounts and payloads, run syncs, and compare tables with the sandbox."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import randrange
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import select

from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.payloads import VOLATILE_KEYS, sanitize
from hostaway_pipeline.domain.tokens import Token
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.security.keyring import generate_key
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.accounts.webhooks import Credential
from hostaway_pipeline.store.schema import accounts
from hostaway_pipeline.sync.pull.request import PullRequest, Report
from hostaway_pipeline.sync.pull.run import pull

OpenSandbox = Callable[..., SandboxServer]
OpenServices = Callable[..., Services]
OpenAccount = Callable[..., tuple[SandboxServer, Services]]

ENCRYPTION_KEYS = f"test:{generate_key()}"
# Settings without a home of their own get one each: erasures of one test must not concern another.
_HOMES = TemporaryDirectory(prefix="hostaway-homes-")
_numbers = count()
SANDBOXES: dict[str, SandboxServer] = {}  # by the URL that services are pointed at


def choose_seed() -> int:
    """Choose the seed of a test of random changes: another one each time, but in CI, where a find must not fail others.

    TEST_SEED repeats a failure; each such test names its seed when it fails.
    """
    given = os.environ.get("TEST_SEED")
    if given is not None:
        return int(given)
    return 1 if os.environ.get("CI") else randrange(10**6)


def make_settings(database_url: str, api_url: str, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "database_url": database_url,
        "api_url": api_url,
        "encryption_keys": ENCRYPTION_KEYS,
        "egress": "tests",
        "home": Path(_HOMES.name) / str(next(_numbers)),
        "rate_limit_ip": "100000/1",
        "rate_limit_account": "100000/1",
    }
    return Settings(_env_file=None, **(values | changes))


def add_account(services: Services, account_id: int, secret: str | None = None, *, with_token: bool = True) -> None:
    """Add an account, by default with the right secret and a token, because fetching one costs each test a second."""
    right = f"sandbox-secret-{account_id}"
    services.accounts.add(account_id, secret or right, name=None, customer_id=None, is_due=False)
    sandbox = SANDBOXES.get(services.settings.api_url)
    if sandbox is not None and secret is None and with_token:
        token = Token(sandbox.tokens.issue(account_id), datetime.now(UTC) + timedelta(days=1))
        services.tokens.save(account_id, token)


def accepted(services: Services) -> list[Credential]:
    """Return every accepted pair of login and password, the current ones first."""
    c = accounts.c
    with services.database.transaction() as connection:
        logins = [
            login for row in connection.execute(select(c.webhook_login, c.webhook_previous_login)) for login in row
        ]
    return [services.webhooks.unseal(one) for one in services.webhooks.find([one for one in logins if one])]


def sync(services: Services, account_id: int, **options: Any) -> Report:
    request = PullRequest(account_id, **({"reread_share": 0.0} | options))
    return pull(services, request)


def synced(services: Services, account_id: int, **options: Any) -> Report:
    """Sync an account; fails unless the sync succeeds."""
    report = sync(services, account_id, **options)
    assert report.error is None, report.error
    assert report.status == "succeeded", report.problems
    return report


def rows(url: str, query: str, *values: Any) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(query.encode(), values).fetchall()


def is_drainer_alive(services: Services) -> bool:
    """Whether a process holds the drainer's lock."""
    held = "SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND classid = 4301003 AND granted"
    return bool(rows(services.database.url(show_password=True), held)[0]["locks"])


def reservation(reservation_id: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": reservation_id,
        "listingMapId": 40,
        "channelId": 2000,
        "channelName": "direct",
        "reservationId": "40-2000-1",
        "status": "new",
        "guestName": None,
        "arrivalDate": "2026-07-01",
        "departureDate": "2026-07-03",
        "nights": 2,
        "totalPrice": 211.62,
        "currency": "EUR",
        "isPaid": None,
        "insertedOn": "2026-06-01 10:00:00",
        "updatedOn": "2026-06-02 10:00:00",
        "latestActivityOn": "2026-06-02 10:00:00",
        **changes,
    }


def expected(sandbox: SandboxServer, account_id: int, entity: str) -> dict[int, Any]:
    """What must be stored of the sandbox's data, by id: content without secrets, and the time of its last change."""
    truths = list(sandbox.world.account(account_id).truth(entity))
    return {t["id"]: (content(sanitize(t)), ENTITIES[entity].source_updated(t)) for t in truths}


def stored(url: str, account_id: int, entity: str) -> dict[int, Any]:
    query = f"SELECT * FROM hostaway.{entity} WHERE account_id = %s AND deleted_at IS NULL"
    found = rows(url, query, account_id)
    return {row["id"]: (content(row["raw_payload"]), row["source_updated_at"]) for row in found}


def content(payload: Any) -> Any:
    """The payload without what changes by itself: volatile keys, and the signatures of private attachments."""
    if isinstance(payload, dict):
        kept = {key: content(value) for key, value in payload.items() if key not in VOLATILE_KEYS}
        if "isPublic" in kept and not kept["isPublic"] and kept.get("url"):
            kept["url"] = kept["url"].split("?")[0]
        return kept
    return [content(part) for part in payload] if isinstance(payload, list) else payload


def assert_equal_to_source(url: str, sandbox: SandboxServer, account_id: int) -> None:
    """Compare all four entities, row by row and payload by payload, and the numbers of rows."""
    counted = live_counts(url)
    for entity in ENTITIES:
        found, wanted = stored(url, account_id, entity), expected(sandbox, account_id, entity)
        assert counted.get((account_id, entity), 0) == len(found), entity
        assert found.keys() == wanted.keys(), entity
        for object_id, payload in wanted.items():
            assert found[object_id] == payload, f"{entity} {object_id}"


def live_counts(url: str) -> dict[tuple[int, str], int]:
    """The numbers of live rows, by account and entity, as they are kept up to date beside the tables."""
    counts = rows(url, "SELECT account_id, entity, sum(live)::int AS live FROM hostaway.row_counts GROUP BY 1, 2")
    return {(row["account_id"], row["entity"]): row["live"] for row in counts if row["live"]}


def orphans(url: str) -> int:
    """Live messages without a live conversation."""
    query = """
        SELECT count(*) AS number
        FROM hostaway.messages AS message
        LEFT JOIN hostaway.conversations AS conversation ON conversation.deleted_at IS NULL
            AND (conversation.account_id, conversation.id) = (message.account_id, message.conversation_id)
        WHERE message.deleted_at IS NULL AND conversation.id IS NULL
    """
    return int(rows(url, query)[0]["number"])


def snapshot(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of the four tables with the transaction that wrote it: two are equal only if nothing was written."""
    return {
        entity: rows(url, f"SELECT xmin::text, * FROM hostaway.{entity} ORDER BY account_id, id") for entity in ENTITIES
    }
