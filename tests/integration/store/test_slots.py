"""The rate limiter: never more than the limit in any window at the server, for any number of threads and processes."""

import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.slots import MARGIN_SECONDS, Slots
from tests.factories import OpenAccount, OpenSandbox, OpenServices, add_account, rows, synced
from tests.waiting import wait_until


def busiest_window(instants: list[float], seconds: float) -> int:
    """The highest number of instants in any window of this length."""
    ordered = sorted(instants)
    return max(sum(start <= instant < start + seconds for instant in ordered) for start in ordered)


def take(slots: Slots, account_id: int, count: int, threads: int = 4) -> list[float]:
    """Returns the moments that were given. Callers that miss theirs: tests/integration/store/test_slots_late.py."""

    def one(_: int) -> float:
        return slots.acquire(account_id).timestamp()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(count)))


def give_up(_: float) -> None:
    raise TimeoutError


def is_free(slots: Slots, account_id: int = 1) -> bool:
    """Whether a slot is free at once; takes it."""
    try:
        slots.acquire(account_id, give_up)
    except TimeoutError:
        return False
    return True


def test_the_accounts_limit_holds(database: Database) -> None:
    slots = Slots(database, egress="a", ip=RateLimit(1000, 1), account=RateLimit(5, 1))
    assert busiest_window(take(slots, 1, 13), 1) <= 5


def test_the_ips_limit_holds_across_accounts(database: Database) -> None:
    slots = Slots(database, egress="a", ip=RateLimit(6, 1), account=RateLimit(1000, 1))
    taken: list[float] = []
    threads = [threading.Thread(target=lambda n=n: taken.extend(take(slots, n, 5))) for n in range(3)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 15
    assert busiest_window(taken, 1) <= 6


def test_accounts_of_different_ips_do_not_wait_for_each_other(database: Database) -> None:
    limit = RateLimit(2, 30)
    take(Slots(database, egress="a", ip=limit, account=RateLimit(1000, 1)), 1, 2)
    other = Slots(database, egress="b", ip=limit, account=RateLimit(1000, 1))
    assert [is_free(other, 2) for _ in range(3)] == [True, True, False]


def test_an_account_at_its_limit_leaves_the_ip_to_others(database: Database) -> None:
    slots = Slots(database, egress="a", ip=RateLimit(4, 60), account=RateLimit(2, 60))
    assert [is_free(slots, 1) for _ in range(4)] == [True, True, False, False]
    assert [is_free(slots, 2) for _ in range(3)] == [True, True, False]


def test_a_pause_delays_every_request(database: Database) -> None:
    slots = Slots(database, egress="a", ip=RateLimit(100, 1), account=RateLimit(100, 1))
    until = datetime.now(UTC) + timedelta(seconds=1.5)
    slots.record_refusal(1, slots.acquire(1), until)
    take(slots, 2, 1)
    assert datetime.now(UTC) >= until


def test_no_connection_is_held_while_waiting(database: Database, database_url: str) -> None:
    slots = Slots(database, egress="a", ip=RateLimit(1, 30), account=RateLimit(100, 1))
    slots.acquire(1)
    is_waiting = threading.Event()

    def wait(_: float) -> None:
        is_waiting.set()
        time.sleep(60)

    threading.Thread(target=slots.acquire, args=(2, wait), daemon=True).start()
    assert is_waiting.wait(60)
    busy = (
        "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND state <> 'idle' AND backend_type = 'client backend'"
    )
    wait_until(lambda: not rows(database_url, busy), 30)


WORKER = """
import sys

from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.slots import Slots
slots = Slots(Database(sys.argv[1]), egress="a", ip=RateLimit(10, 2), account=RateLimit(1000, 1))
for _ in range(10):
    print(slots.acquire(int(sys.argv[2])).timestamp(), flush=True)
"""


def test_processes_share_one_budget(database_url: str) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, database_url, str(n)], stdout=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    instants = [float(line) for worker in workers for line in worker.communicate(timeout=200)[0].split()]
    assert all(worker.returncode == 0 for worker in workers)
    assert len(instants) == 30
    assert busiest_window(instants, 2) <= 10


def test_the_server_never_answers_429_while_its_limit_equals_ours(
    open_sandbox: OpenSandbox, open_services: OpenServices
) -> None:
    """A request that this machine holds up may come too late, but not in each of several syncs."""
    sandbox = open_sandbox("59808:2:60", ip_limit=40, account_limit=40, window=2.0)
    services = open_services(sandbox, rate_limit_ip="40/2", rate_limit_account="40/2")
    add_account(services, 59808)

    def refused() -> int:
        rows(services.database.url(show_password=True), "UPDATE hostaway.rate_scopes SET pace = NULL RETURNING 1")
        sandbox.counters.reset()
        report = synced(services, 59808)
        assert report.http_429 == sandbox.counters.http_429
        assert sandbox.counters.peak(seconds=2.0) <= 40
        return report.http_429

    assert 0 in (refused() for _ in range(5))


def test_a_sync_succeeds_under_a_lower_limit_than_configured(open_account: OpenAccount) -> None:
    """A 429 pauses every caller until the time that the server gives; nothing is lost."""
    _, services = open_account("59808:2:30", ip_limit=20, account_limit=20, window=1.0)
    report = synced(services, 59808)
    assert report.http_429 > 0


def test_a_refused_request_teaches_how_many_are_allowed(database: Database, database_url: str) -> None:
    """The 61st request of a window was refused, so at most 60 are allowed: no gradual search is needed."""
    slots = Slots(database, egress="a", ip=RateLimit(200, 10), account=RateLimit(200, 10))
    given = [slots.acquire(1) for _ in range(61)]
    slots.record_refusal(1, given[-1], datetime.now(UTC))
    paces = rows(database_url, "SELECT scope, pace FROM hostaway.rate_scopes ORDER BY scope")
    assert paces == [{"scope": "account:1", "pace": 60}, {"scope": "ip:a", "pace": 60}]


def test_the_pace_never_falls_below_what_hostaway_once_published(database: Database, database_url: str) -> None:
    slots = Slots(database, egress="a", ip=RateLimit(200, 10), account=RateLimit(200, 10))
    slots.record_refusal(1, slots.acquire(1), datetime.now(UTC))
    paces = rows(database_url, "SELECT scope, pace FROM hostaway.rate_scopes ORDER BY scope")
    assert [pace["pace"] for pace in paces] == [20, 15]


def test_the_account_is_not_blamed_for_the_ips_limit(database: Database, database_url: str) -> None:
    """Of 100 requests in the window two were this account's, so the IP's limit was hit."""
    slots = Slots(database, egress="a", ip=RateLimit(200, 10), account=RateLimit(200, 10))
    for number in range(100):
        sent = slots.acquire(number % 50)
    slots.record_refusal(49, sent, datetime.now(UTC))
    paces = {row["scope"]: row["pace"] for row in rows(database_url, "SELECT scope, pace FROM hostaway.rate_scopes")}
    assert (paces["account:49"], paces["ip:a"]) == (None, 99)


def test_quiet_minutes_let_the_pace_rise_again(database: Database, database_url: str) -> None:
    slots = Slots(database, egress="a", ip=RateLimit(200, 10), account=RateLimit(200, 10))
    slots.acquire(1)

    def pace_after_quiet(pace: int) -> int | None:
        rows(database_url, "UPDATE hostaway.rate_scopes SET pace = %s, pace_changed_at = now() - interval '6 minutes' "
             "RETURNING 1", pace)  # fmt: skip
        slots.acquire(1)
        found = rows(database_url, "SELECT pace FROM hostaway.rate_scopes WHERE scope = 'ip:a'")[0]["pace"]
        assert found is None or isinstance(found, int)
        return found

    assert pace_after_quiet(100) == 105
    assert pace_after_quiet(15) == 16
    assert pace_after_quiet(199) is None, "the configured limit again: nothing learned is left"


def test_interactive_requests_go_ahead_of_waiting_background_requests(database: Database) -> None:
    """Sixty background requests wait for the second window; an interactive one gets the first free slot."""
    limits = {"egress": "a", "ip": RateLimit(20, 2), "account": RateLimit(20, 2)}
    background = Slots(database, **limits)  # type: ignore[arg-type]
    interactive = Slots(database, interactive=True, **limits)  # type: ignore[arg-type]
    taken: list[float] = []
    crowd = threading.Thread(target=lambda: taken.extend(take(background, 1, 80, threads=40)))
    crowd.start()
    time.sleep(1.0)
    waits = [0.0]

    def wait(seconds: float) -> None:
        waits.append(seconds)
        time.sleep(seconds)

    taken += [interactive.acquire(1, wait).timestamp() for _ in range(4)]
    crowd.join()

    assert max(waits) < 3, "a window at most, however many wait in the background"
    assert busiest_window(taken, 2) <= 20


def test_interactive_requests_on_an_idle_scope_do_not_wait(database: Database) -> None:
    slots = Slots(database, egress="a", ip=RateLimit(5, 10), account=RateLimit(5, 10), interactive=True)
    assert all(is_free(slots) for _ in range(5))


def test_background_requests_leave_a_share_free_for_interactive_ones(database: Database) -> None:
    limits = {"egress": "a", "ip": RateLimit(20, 5), "account": RateLimit(20, 5)}
    Slots(database, interactive=True, **limits).acquire(1)  # type: ignore[arg-type]
    taken = take(Slots(database, **limits), 1, 30, threads=30)  # type: ignore[arg-type]
    assert busiest_window(taken, 5) <= 18


def test_a_share_leaves_the_rest_of_the_ips_limit_to_others(database: Database) -> None:
    """Refreshes take 80%: a reconcile then finds room at once, and together they keep the limit."""
    limits = {"egress": "a", "ip": RateLimit(10, 2), "account": RateLimit(1000, 1)}
    refresh, reconcile = Slots(database, share=0.8, **limits), Slots(database, **limits)  # type: ignore[arg-type]
    shared = take(refresh, 1, 8)
    others = [reconcile.acquire(2, give_up).timestamp() for _ in range(2)]  # the rest is free
    more = take(refresh, 1, 9)
    assert min(more) - shared[0] >= 2, "no more than the share in one window"
    assert busiest_window([*shared, *more], 2) <= 8
    assert busiest_window([*shared, *others, *more], 2) <= 10


def fits(slots: list[float], moment: float, limit: int, window: float) -> bool:
    """Whether no window holds more than the limit."""
    ordered = sorted([*slots, moment])
    return all(sum(first <= other < first + window for other in ordered) <= limit for first in ordered)


@pytest.mark.parametrize("seed", range(25))
def test_interactive_requests_get_the_first_slot_that_fits(database: Database, database_url: str, seed: int) -> None:
    """Compared with a search of every moment at which something can change."""
    limit, window, choice = RateLimit(4, 10), 10 + MARGIN_SECONDS, random.Random(seed)
    taken: list[float] = []
    for moment in sorted(choice.uniform(-15, 25) for _ in range(16)):
        if fits(taken, moment, limit.requests, window):
            taken.append(moment)
    now = datetime.now(UTC)
    instants = [now + timedelta(seconds=moment) for moment in taken]
    rows(
        database_url,
        "INSERT INTO hostaway.rate_scopes (scope, slots) VALUES ('account:1', %s) RETURNING 1",
        instants,
    )
    slots = Slots(database, egress="a", ip=limit, account=limit, interactive=True)
    asked = (datetime.now(UTC) - now).total_seconds()
    slot, _ = slots._take("account:1", limit)
    answered = (datetime.now(UTC) - now).total_seconds()

    found = (slot - now).total_seconds()
    if found <= answered:
        assert found >= asked - 0.001
        assert fits(taken, found, limit.requests, window)
        return  # given at once, at the moment of the statement: nothing can be earlier
    # The statement ran at some moment between asked and answered, which on a busy machine lie far apart. Of the
    # moments after it at which something changes, the first that fits must be the one that was given.
    ends = [moment + window for moment in taken]
    changes = sorted([answered, *(end for end in ends if end > answered)])
    wanted = next(change for change in changes if fits(taken, change, limit.requests, window))
    assert found == pytest.approx(wanted, abs=0.001)


SMALL = RateLimit(10, 60)


def spare(database: Database, share: float, ip: RateLimit = SMALL) -> Slots:
    return Slots(database, egress="a", ip=ip, account=RateLimit(1000, 1), share=share, is_spare=True)


def test_spare_slots_end_at_their_share(database: Database) -> None:
    slots = spare(database, 0.3)
    assert [is_free(slots) for _ in range(5)] == [True, True, True, False, False]


def test_spare_slots_are_none_while_others_use_the_share_up(database: Database) -> None:
    take(Slots(database, egress="a", ip=SMALL, account=RateLimit(1000, 1)), 1, 4)
    assert not is_free(spare(database, 0.3))
    assert is_free(spare(database, 0.5))


def test_whoever_waits_for_a_spare_slot_delays_nobody(database: Database) -> None:
    limit = RateLimit(10, 3)
    slots = spare(database, 0.3, limit)
    waiting = threading.Thread(target=take, args=(slots, 1, 5), daemon=True)
    waiting.start()
    time.sleep(0.3)
    others = Slots(database, egress="a", ip=limit, account=RateLimit(1000, 1))
    assert all(is_free(others, 2) for _ in range(7))
    waiting.join(60)
    assert not waiting.is_alive()


def test_spare_slots_wait_for_the_end_of_a_pause(database: Database) -> None:
    slots = spare(database, 0.5)
    assert is_free(slots)
    slots.record_refusal(1, datetime.now(UTC), datetime.now(UTC) + timedelta(seconds=30))
    assert not is_free(slots)


@pytest.mark.parametrize("is_spare", [False, True])
def test_old_slots_are_dropped_where_the_limit_is_high(
    database: Database, database_url: str, *, is_spare: bool
) -> None:
    """Each request would write them all again."""
    old = [datetime.now(UTC) - timedelta(hours=1)] * 500
    rows(database_url, "INSERT INTO hostaway.rate_scopes (scope, slots) VALUES ('account:1', %s), ('ip:a', %s) "
         "RETURNING 1", old, old)  # fmt: skip
    high = RateLimit(1_000_000, 1)
    Slots(database, egress="a", ip=high, account=high, is_spare=is_spare).acquire(1)
    held = rows(database_url, "SELECT cardinality(slots) AS n FROM hostaway.rate_scopes")
    assert [row["n"] for row in held] == [1, 1]
