"""Accounts that changed for over a year on Hostaway's clock: what the models say of any past day equals a replay."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hostaway_pipeline.sandbox.world.account import Account
from tests.analytics.accounts import Accounts, opened
from tests.analytics.conftest import Models
from tests.analytics.oracle.conversion import conversion
from tests.analytics.oracle.history import History
from tests.analytics.oracle.pace import Pace
from tests.factories import choose_seed, rows

DAYS, STEPS, CHANGES = 500, 7, 12
IDS = (59808, 59809, 59811)


def _move(rng: Random, account: Account, key: int) -> None:
    """To other nights, perhaps of another listing."""
    own = account.reservations[key].own
    arrival = date.fromisoformat(own["arrivalDate"]) + timedelta(rng.choice((-40, -3, 0, 2, 35)))
    nights = rng.choice((1, 3, 12, 45))
    account.update_reservation(
        key,
        arrivalDate=str(arrival),
        departureDate=str(arrival + timedelta(nights)),
        nights=nights,
        status="modified",
        listingMapId=rng.choice((own["listingMapId"], *account.listings)),
    )


def _reprice(rng: Random, account: Account, key: int) -> None:
    base = rng.choice((99.99, 100, 1000.01))
    parts = (("baseRate", "accomodation", base), ("weeklyDiscount", "discount", -10), ("cleaningFee", "fee", 40))
    lines = [
        {"id": place, "name": name, "type": kind, "total": total, "isIncludedInTotalPrice": 1, "isDeleted": 0}
        for place, (name, kind, total) in enumerate(parts)
    ]
    account.update_reservation(key, totalPrice=base + 30, financeField=lines)


def _cancel(rng: Random, account: Account, key: int) -> None:
    account.update_reservation(key, status="cancelled", cancellationDate=account.clock.after())


STATUSES = ("new", "modified", "ownerStay", "inquiry", "awaitingPayment")
DRAW: tuple[Callable[[Random, Account, int], object], ...] = (
    _move,
    _move,
    _reprice,
    _cancel,
    lambda rng, account, key: account.update_reservation(key, status=rng.choice(STATUSES)),
    lambda rng, account, key: account.update_reservation(key, guestName="Somebody else"),
    lambda rng, account, key: account.delete_reservation(key),
    lambda rng, account, key: account.add_reservation(),
)


class Past:
    """Accounts with their histories. Hostaway's clock stands at the last step; ours at the present."""

    def __init__(self, accounts: Accounts, models: Models) -> None:
        self.accounts, self.models = accounts, models
        self.histories = {key: History(accounts.source(key)) for key in IDS}
        self.rng = Random(accounts.seed)

    def live(self) -> None:
        """Change all accounts in steps, and sync them after each."""
        began = self.accounts.today - timedelta(DAYS)
        for step in range(STEPS):
            offset = timedelta(days=step * DAYS // STEPS, hours=self.rng.randrange(24))
            at = datetime.combine(began, datetime.min.time(), UTC) + offset
            self.accounts.sandbox.faults.clock_skew = at.timestamp() - time.time()
            for key, account in self.accounts.all.items():
                if step:
                    self._change(account)
                self.accounts.sync(key, allow_mass_delete=True)
                self.histories[key].record(list(account.truth("reservations")))
        for key in IDS:
            self.histories[key].source = self.accounts.source(key)

    def _change(self, account: Account) -> None:
        for _ in range(CHANGES):
            self.rng.choice(DRAW)(self.rng, account, self.rng.choice(list(account.reservations)))

    def days(self, count: int) -> list[date]:
        """Random days since the first sync, and both ends."""
        ends = self.accounts.today - timedelta(DAYS), self.accounts.today
        return [*ends, *(self.accounts.today - timedelta(self.rng.randrange(DAYS)) for _ in range(count))]


@pytest.fixture(scope="module")
def past(new_database: Callable[[], str], target: Path) -> Iterator[Past]:
    url, today = new_database(), datetime.now(UTC).date() - timedelta(DAYS)
    with opened(url, "59808:5:60", "59809:3:40", "59811:2:20", seed=choose_seed(), today=today) as accounts:
        found = Past(accounts, Models(url, target))
        found.live()
        found.models.build("--select", "+kpi_pace", "+kpi_conversion", "+fct_reservation_nights")
        yield found


STATE = [
    "property_id",
    "channel",
    "state",
    "arrival_date",
    "departure_date",
    "nights",
    "units",
    "rent",
    "commission",
    "total_price",
]


def test_as_of_is_what_the_bookings_were(past: Past) -> None:
    for key in IDS:
        for at in past.days(16):
            found = {
                row.pop("booking_id"): _told(tuple(row[name] for name in STATE))
                for row in rows(past.accounts.url, "SELECT * FROM core.as_of(%s) WHERE account_id = %s", at, key)
            }
            wanted = {
                b.id: _told((b.property_id, b.channel, b.state, b.arrival, b.departure, b.nights, b.units, *_money(b)))
                for b in past.histories[key].on(at)
            }
            wrong = {one: (found.get(one), wanted.get(one)) for one in {*found, *wanted}}
            assert {one: pair for one, pair in wrong.items() if pair[0] != pair[1]} == {}, (past.accounts.seed, at)


def _told(state: tuple[Any, ...]) -> tuple[Any, ...]:
    """The state without dates that are placeholders, which have no nights: moving those makes no version."""
    arrival, nights = STATE.index("arrival_date"), STATE.index("nights")
    return state if state[nights] is not None else (*state[:arrival], *state[nights:])


def _money(booking: Any) -> tuple[Any, ...]:
    return booking.rent, booking.commission, booking.total_price


def test_most_states_were_seen_and_a_guess_says_so(past: Past) -> None:
    query = "SELECT count(*) FROM core.as_of(%s) WHERE is_reconstructed"
    first, last = (rows(past.accounts.url, query, at)[0]["count"] for at in past.days(0))
    assert first > 50
    assert last == 0
    kinds = {row["source"] for row in rows(past.accounts.url, "SELECT DISTINCT source FROM core.booking_versions")}
    assert kinds >= {"copy", "present"}


def test_a_day_ends_at_midnight(past: Past) -> None:
    """A state that begins at midnight is that of the day that begins; the one before it, of the day that has ended."""
    query = "SELECT booking_id, state FROM core.as_of(%s) WHERE account_id = %s"
    midnights = rows(
        past.accounts.url,
        "SELECT v.account_id, v.booking_id, v.valid_from, p.state FROM core.booking_versions AS v"
        " JOIN core.booking_versions AS p USING (account_id, booking_id)"
        " WHERE v.state = 'cancelled' AND v.valid_from = date_trunc('day', v.valid_from, 'UTC')"
        " AND p.valid_to = v.valid_from LIMIT 5",
    )
    assert midnights
    for row in midnights:
        began = row["valid_from"].astimezone(UTC).date()
        before, after = (
            {found["booking_id"]: found["state"] for found in rows(past.accounts.url, query, at, row["account_id"])}
            for at in (began - timedelta(1), began)
        )
        assert (before[row["booking_id"]], after[row["booking_id"]]) == (row["state"], "cancelled")


@pytest.mark.parametrize("account_id", IDS)
def test_pace_is_what_was_on_the_books(past: Past, account_id: int) -> None:
    pace = Pace(past.histories[account_id])
    query = "SELECT * FROM marts.kpi_pace WHERE account_id = %s AND as_of <= %s AND coalesce(as_of_to >= %s, true)"
    compared = list[dict[str, Any]]()
    for at in past.days(12):
        wanted = pace.rows(at)
        found = {
            (row["property_id"], row["month"], row["currency"]): row
            for row in rows(past.accounts.url, query, account_id, at, at)
        }
        shown = {key: {name: found[key][name] for name in row} for key, row in wanted.items() if key in found}
        assert {key: (shown.get(key), row) for key, row in wanted.items() if shown.get(key) != row} == {}, (
            past.accounts.seed,
            at,
        )
        compared += [row for row in wanted.values() if row["last_year_nights"] or row["pickup_nights_30"]]
        surplus = {key: row for key, row in found.items() if key not in wanted}
        figures = (
            "nights",
            "rent",
            "pickup_nights_7",
            "pickup_nights_30",
            "last_year_nights",
            "last_year_rent_by_lead",
        )
        assert not any(row[name] for row in surplus.values() for name in figures), (past.accounts.seed, at)
    assert compared or account_id != IDS[0], past.accounts.seed


def test_the_last_day_of_pace_is_the_fact(past: Past) -> None:
    query = """
        SELECT account_id, property_id, month, currency, sum(units) AS nights, coalesce(sum(rent), 0) AS rent
        FROM marts.fct_reservation_nights WHERE state = 'sold' AND property_id IS NOT NULL GROUP BY 1, 2, 3, 4
    """
    last = "SELECT account_id, property_id, month, currency, nights, rent FROM marts.kpi_pace WHERE as_of_to IS NULL"
    fact = rows(past.accounts.url, query)
    found = [row for row in rows(past.accounts.url, last) if row["nights"] or row["rent"]]
    assert len(fact) > 30
    assert len(found) == len(fact)
    assert {tuple(row.values()) for row in found} == {tuple(row.values()) for row in fact}


@pytest.mark.parametrize("account_id", IDS)
def test_enquiries_that_became_bookings(past: Past, account_id: int) -> None:
    query = "SELECT channel, month, enquiries, bookings FROM marts.kpi_conversion WHERE account_id = %s"
    found = {
        (row["channel"], row["month"]): (row["enquiries"], row["bookings"])
        for row in rows(past.accounts.url, query, account_id)
    }
    assert found == conversion(past.histories[account_id]), past.accounts.seed
