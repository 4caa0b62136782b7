"""200 random changes, some builds in between: the tables then hold what a rebuild from nothing holds, row by row."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hostaway_pipeline.sandbox.world.account import Account
from tests.analytics.accounts import Accounts, opened
from tests.analytics.conftest import Models
from tests.factories import choose_seed

CHANGES, BATCHES = 200, 3
SCHEMAS = ("core", "pii", "marts")
Change = Callable[[Random, Account, int], object]


def _shorten(rng: Random, account: Account, key: int) -> None:
    arrival = date.fromisoformat(account.reservations[key].own["arrivalDate"])
    account.update_reservation(key, departureDate=str(arrival + timedelta(1)), nights=1)


def _move(rng: Random, account: Account, key: int) -> None:
    """To another time, another listing, or both."""
    own = account.reservations[key].own
    shift = timedelta(rng.choice((0, 30, -30)))
    dates = {name: str(date.fromisoformat(own[name]) + shift) for name in ("arrivalDate", "departureDate")}
    account.update_reservation(key, listingMapId=rng.choice(list(account.listings)), **dates)


def _unlist(rng: Random, account: Account, key: int) -> None:
    if len(account.listings) > 2:
        account.delete_listing(rng.choice(list(account.listings)))


def _relocate(rng: Random, account: Account, key: int) -> None:
    """Without any change of its bookings, their local days become others."""
    account.update_listing(rng.choice(list(account.listings)), timeZoneName="Asia/Tokyo")


def _write(rng: Random, account: Account, key: int) -> None:
    account.add_message(rng.choice(list(account.conversations)), "Hello", rng.random() < 0.5)


STATUSES = ("cancelled", "new", "modified", "ownerStay", "awaitingPayment", "inquiry", "somethingElse")
KINDS: tuple[tuple[int, Change], ...] = (
    (30, lambda rng, account, key: account.update_reservation(key, status="cancelled")),
    (25, _shorten),
    (25, _move),
    (20, lambda rng, account, key: account.delete_reservation(key)),
    (10, lambda rng, account, key: account.update_reservation(key, status=rng.choice(STATUSES))),
    (10, lambda rng, account, key: account.update_reservation(key, currency=rng.choice(("JPY", "KWD", None)))),
    (10, lambda rng, account, key: account.update_reservation(key, isDatesUnspecified=1)),
    (10, lambda rng, account, key: account.update_reservation(key, guestEmail=f"guest{key % 9}@example.com")),
    (10, lambda rng, account, key: account.add_reservation()),
    (10, lambda rng, account, key: account.touch_reservation(key)),
    (15, _write),
    (5, lambda rng, account, key: account.delete_conversation(rng.choice(list(account.conversations)))),
    (3, lambda rng, account, key: account.update_listing(rng.choice(list(account.listings)), specialStatus="archived")),
    (8, _relocate),
    (2, _unlist),
)
DRAW = [change for weight, change in KINDS for _ in range(weight)]


class Changes:
    """Changes accounts at random; what was deleted may return in a later batch."""

    def __init__(self, seed: int, accounts: Accounts) -> None:
        self._rng = Random(seed)
        self._accounts = accounts
        self._deleted: list[tuple[Account, int]] = []

    def make(self, count: int) -> None:
        rng, returning = self._rng, self._deleted[::2]
        for account, key in returning:
            account.restore_reservation(key)
        self._deleted = self._deleted[1::2]
        for _ in range(count - len(returning)):
            account = rng.choice(list(self._accounts.all.values()))
            key = rng.choice(list(account.reservations))
            rng.choice(DRAW)(rng, account, key)
            if key not in account.reservations:
                self._deleted.append((account, key))


@pytest.fixture(scope="module")
def accounts(new_database: Callable[[], str]) -> Iterator[Accounts]:
    with opened(new_database(), "59808:7:90", "59809:6:60", "59811:2:30", seed=choose_seed()) as found:
        for account_id in found.all:
            found.sync(account_id, calendar=account_id != 59809)
        yield found


def test_incremental_equals_rebuild(accounts: Accounts, target: Path):
    models, changes = Models(accounts.url, target), Changes(accounts.seed, accounts)
    models.build()
    for batch in range(BATCHES):
        changes.make(CHANGES // BATCHES + (batch < CHANGES % BATCHES))
        for account_id in accounts.all:
            accounts.sync(account_id, calendar=batch == 1 and account_id == 59808, allow_mass_delete=True)
        if batch == BATCHES - 1:
            accounts.services.accounts.remove(59811, hard=True)
        assert models.run("run").success
    found = _tables(models)
    assert models.run("run", "--full-refresh").success
    rebuilt = _tables(models)
    assert found.keys() == rebuilt.keys()
    assert {name for name in found if not found[name]} == set()
    stale, missing = (
        {name: _examples(a[name] - b[name]) for name in a} for a, b in ((found, rebuilt), (rebuilt, found))
    )
    assert {name: rows for name, rows in stale.items() if rows} == {}, accounts.seed
    assert {name: rows for name, rows in missing.items() if rows} == {}, accounts.seed


def _tables(models: Models) -> dict[str, set[tuple[Any, ...]]]:
    """Every row of every table. Numbers are equal whatever their scale, which may follow from an earlier currency."""
    names = models.rows(
        f"SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN {SCHEMAS} ORDER BY 1"
    )
    return {name: {tuple(map(_hashable, row)) for row in models.rows(f"SELECT * FROM {name}")} for (name,) in names}


def _hashable(value: Any) -> Any:
    return str(value) if isinstance(value, dict | list) else value


def _examples(rows: set[tuple[Any, ...]]) -> list[str]:
    return sorted(map(str, rows))[:3]
