"""An account with a past, first synced today: core.as_of tells it day by day, from audit trails alone."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hostaway_pipeline.sandbox.config import SandboxConfig
from hostaway_pipeline.sync.trails import read_trails
from tests.analytics.accounts import Accounts, opened
from tests.analytics.conftest import Models
from tests.factories import rows

ID, SINCE = 59808, "2026-02-01"
TODAY = date.fromisoformat(SandboxConfig().today)


def as_of(url: str, day: date) -> dict[int, dict[str, Any]]:
    return {row["booking_id"]: row for row in rows(url, "SELECT * FROM core.as_of(%s)", day)}


def shown(row: dict[str, Any]) -> tuple[Any, ...]:
    dates = (None, None) if row["is_dates_unspecified"] else (row["arrival_date"], row["departure_date"])
    return row["source_status"], row["property_id"], *dates, row["total_price"], row["rent"]


def truth(accounts: Accounts, day: date) -> dict[int, tuple[Any, ...]]:
    """What the sandbox's reservations were in the last second of the day."""
    account = accounts.all[ID]
    moment = datetime.combine(day, time(23, 59, 59)).isoformat(" ")
    return {row["id"]: _true(row) for row in account.trails.states_at(moment, account.reservations.values())}


def _true(row: dict[str, Any]) -> tuple[Any, ...]:
    dates = (date.fromisoformat(row[key]) for key in ("arrivalDate", "departureDate"))
    lines = {name: Decimal(str(total)) for name, total in row["financeField"].items() if total is not None}
    rent = [total for name, total in lines.items() if name == "baseRate" or "discount" in name.lower()]
    total = row["totalPrice"]
    return (
        row["status"],
        row["listingMapId"],
        *((None, None) if row["isDatesUnspecified"] else dates),
        None if total is None else Decimal(str(total)),
        sum(rent, Decimal()) if "baseRate" in lines else None,
    )


@pytest.mark.parametrize("since", ["", SINCE], ids=["whole", "cut"])
def test_every_past_day_is_as_it_was(new_database: Callable[[], str], target: Path, since: str) -> None:
    url, rng = new_database(), Random(7)
    with opened(url, f"{ID}:1:80", seed=SandboxConfig().seed, today=TODAY) as accounts:
        accounts.sandbox.faults.update(trails_since=since)
        accounts.sync(ID)
        models = Models(url, target)
        assert models.run("seed").success
        assert models.run("run", "--select", "+booking_versions").success
        while read_trails(accounts.services, ID).report.trails_left:
            pass
        # Has to find what trails add to bookings that have not changed since the first one.
        assert models.run("run", "--select", "+booking_versions").success
        compared = guessed = 0
        for day in (TODAY - timedelta(rng.randrange(730)) for _ in range(40)):
            found, true = as_of(url, day), truth(accounts, day)
            known = {key: shown(row) for key, row in found.items() if not row["is_reconstructed"]}
            assert known == {key: true[key] for key in known}, day
            assert found.keys() == true.keys() or since, day
            compared, guessed = compared + len(known), guessed + len(found) - len(known)
        assert compared > 300
        assert (guessed > 0) == bool(since)
