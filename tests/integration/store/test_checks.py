"""A webhook is reported when it is missing, disabled, or silent while reservations change."""

import psycopg
import pytest

from hostaway_pipeline.store.checks import Checks
from hostaway_pipeline.store.database import Database

REGISTERED = {"webhook_id": 5, "webhook_enabled": True}


@pytest.mark.parametrize(
    ("account", "heard", "changed", "wanted"),
    [
        (REGISTERED, "1 hour", "1 minute", None),
        (REGISTERED, "3 hours", "2 hours", None),
        (REGISTERED, "3 hours", None, None),
        (REGISTERED, "3 hours", "1 minute", "no event since"),
        (REGISTERED, None, "1 minute", "no event since"),
        (REGISTERED | {"webhook_enabled": False}, "1 hour", None, "disabled"),
        (REGISTERED | {"webhook_id": None}, "1 hour", None, "no webhook"),
        (REGISTERED | {"is_active": False}, "3 hours", "1 minute", None),
    ],
)
def test_silent_webhooks(
    database: Database,
    database_url: str,
    account: dict[str, object],
    heard: str | None,
    changed: str | None,
    wanted: str | None,
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO hostaway.accounts (account_id, webhook_id, webhook_enabled, is_active, created_at) "
            "VALUES (1, %(webhook_id)s, %(webhook_enabled)s, %(is_active)s, now() - interval '1 day')",
            {"is_active": True} | account,
        )
        if heard:
            connection.execute(
                "INSERT INTO hostaway.webhook_events (account_id, event, object, payload, status, received_at) "
                "VALUES (1, 'reservation.updated', 'reservation', '{}', 'applied', now() - %s::interval)",
                (heard,),
            )
        if changed:
            connection.execute(
                "INSERT INTO hostaway.reservations "
                "(account_id, id, customer_id, raw_payload, content_hash, updated_at) "
                "VALUES (1, 7, gen_random_uuid(), '{}', '', now() - %s::interval)",
                (changed,),
            )

    found = Checks(database, are_webhooks_wanted=True).silent_webhooks()

    assert [finding.account_id for finding in found] == ([1] if wanted else [])
    assert not wanted or wanted in found[0].what
    assert Checks(database).silent_webhooks() == []


@pytest.mark.parametrize(
    ("account", "every", "age", "is_stale"),
    [
        ({}, None, "3 hours", False),
        ({}, None, "5 hours", True),
        ({}, "4 hours", "7 hours", False),
        ({}, "4 hours", "9 hours", True),
        ({"is_active": False}, None, "5 hours", False),
        ({"paused_until": "tomorrow"}, None, "5 hours", False),
        ({"last_sync_at": None}, None, "5 hours", False),
    ],
)
def test_stale_refreshes(
    database: Database,
    database_url: str,
    account: dict[str, object],
    every: str | None,
    age: str,
    is_stale: bool,
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO hostaway.accounts (account_id, is_active, paused_until, last_sync_at) "
            "VALUES (1, %(is_active)s, %(paused_until)s, %(last_sync_at)s)",
            {"is_active": True, "paused_until": None, "last_sync_at": "now"} | account,
        )
        connection.execute(
            "INSERT INTO hostaway.cadences (account_id, mode, every, succeeded_at) "
            "VALUES (1, 'refresh', %s, now() - %s::interval)",
            (every, age),
        )
    assert [finding.account_id for finding in Checks(database).stale_refreshes()] == ([1] if is_stale else [])
