"""Steps of the tests that put events into the inbox and drain it."""

from collections.abc import Callable
from typing import Any

from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.push.apply import Applied
from hostaway_pipeline.sync.push.drain import drain
from tests.factories import rows

ONE, TWO = 1, 2
Deliver = Callable[..., None]


def drain_inbox(services: Services) -> list[Applied]:
    reports: list[Applied] = []
    assert drain(services, reports.append, linger=0).is_alone
    return reports


def statuses(url: str) -> list[str]:
    return [row["status"] for row in rows(url, "SELECT status FROM hostaway.webhook_events ORDER BY id")]


def reservation(url: str, reservation_id: int, account_id: int = ONE) -> dict[str, Any]:
    query = "SELECT * FROM hostaway.reservations WHERE account_id = %s AND id = %s"
    found = rows(url, query, account_id, reservation_id)
    return found[0] if found else {}


def first_reservation(account: Account) -> int:
    return next(iter(account.reservations))
