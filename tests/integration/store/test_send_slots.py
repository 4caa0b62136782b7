"""The limit of sent messages: 30 a minute and account, in a scope of its own besides the limits of all requests."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.slots import SENDS, SendSlots, Slots
from tests.factories import rows

WINDOW = "SELECT slots FROM hostaway.rate_scopes WHERE scope = %s"
WIDE = RateLimit(100_000, 1)


@pytest.fixture
def slots(database: Database) -> Slots:
    return Slots(database, egress="a", ip=WIDE, account=WIDE, interactive=True)


def given(url: str, scope: str = "send:1") -> list[datetime]:
    """The slots of a scope, oldest first."""
    found = rows(url, WINDOW, scope)
    return found[0]["slots"] if found else []


def used(url: str, seconds_ago: list[float], scope: str = "send:1") -> None:
    """Pretend that messages were sent this many seconds ago."""
    now = datetime.now(UTC)
    instants = [now - timedelta(seconds=seconds) for seconds in sorted(seconds_ago, reverse=True)]
    with psycopg.connect(url) as connection:
        connection.execute(b"INSERT INTO hostaway.rate_scopes (scope, slots) VALUES (%s, %s)", (scope, instants))


def next_wait(slots: Slots) -> float:
    """The seconds that one more message would have to wait; does not wait."""
    _, wait = slots._take("send:1", SENDS)
    return wait


def assert_waits(seconds: float, began: float, wait: float) -> None:
    """Until so many seconds after `began`, or as much later as this machine has been slow since."""
    assert seconds - 0.5 - (time.monotonic() - began) < wait < seconds + 0.5 + (time.monotonic() - began)


def give_up(seconds: float) -> None:
    raise TimeoutError(seconds)


def test_hostaway_allows_thirty_a_minute():
    assert RateLimit(30, 60) == SENDS


def test_thirty_messages_go_at_once(slots: Slots, database_url: str) -> None:
    for _ in range(30):
        slots.acquire_send(1, give_up)
    assert len(given(database_url)) == 30


def test_the_31st_waits_for_the_first_to_leave_the_window(slots: Slots, database_url: str) -> None:
    began = time.monotonic()
    used(database_url, [50.0, *[20.0] * 29])
    assert_waits(10.3, began, next_wait(slots))
    assert_waits(40.3, began, next_wait(slots))


def test_messages_that_left_the_window_count_no_more(slots: Slots, database_url: str) -> None:
    used(database_url, [61.0] * 30)
    assert next_wait(slots) <= 0


def test_waiting_ends_when_the_window_does(slots: Slots, database_url: str) -> None:
    used(database_url, [59.5] * 30)
    slots.acquire_send(1)
    first, newest = given(database_url)[0], given(database_url)[-1]
    assert newest - first > timedelta(seconds=60)
    assert datetime.now(UTC) >= newest


def test_no_window_holds_more_however_many_callers_there_are(slots: Slots, database_url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: next_wait(slots), range(70)))
    instants = given(database_url)
    assert len(instants) == 70
    for start in instants:
        within = [instant for instant in instants if start <= instant < start + timedelta(seconds=60)]
        assert len(within) <= 30


def test_accounts_do_not_wait_for_each_others_messages(slots: Slots, database_url: str) -> None:
    used(database_url, [1.0] * 30)
    slots.acquire_send(2)
    assert len(given(database_url, "send:2")) == 1


def test_a_send_also_counts_as_a_request(slots: Slots, database_url: str) -> None:
    slots.acquire_send(1)
    SendSlots(slots).acquire(1)
    assert [len(given(database_url, scope)) for scope in ("send:1", "account:1", "ip:a")] == [1, 1, 1]


def test_other_requests_do_not_count_as_sends(slots: Slots, database_url: str) -> None:
    slots.acquire(1)
    assert given(database_url) == []


def test_a_refused_send_pauses_only_sends(slots: Slots, database_url: str) -> None:
    began = time.monotonic()
    sends, until = SendSlots(slots), datetime.now(UTC) + timedelta(seconds=40)
    slots.acquire_send(1)
    sends.record_refusal(1, sends.acquire(1), until)

    assert rows(database_url, "SELECT scope, paused_until, pace FROM hostaway.rate_scopes WHERE paused_until IS NOT "
                "NULL") == [{"scope": "send:1", "paused_until": until, "pace": None}]  # fmt: skip
    assert_waits(40, began, next_wait(slots))
    slots.acquire(1, give_up)


def test_a_refusal_without_retry_after_pauses_sends_for_a_window(slots: Slots) -> None:
    sends, began = SendSlots(slots), time.monotonic()
    slots.acquire_send(1)
    sends.record_refusal(1, sends.acquire(1), None)
    assert_waits(60, began, next_wait(slots))
