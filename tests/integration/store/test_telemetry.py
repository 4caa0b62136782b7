"""Counters of all processes are summed in Postgres, survive its failures, and have readable names."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import RESERVATIONS
from hostaway_pipeline.errors import DatabaseUnavailable
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import Inbox
from hostaway_pipeline.store.telemetry import BUCKETS, Telemetry
from hostaway_pipeline.store.urls import sibling_url
from hostaway_pipeline.wiring import services_on
from tests.factories import make_settings, reservation, rows


@pytest.fixture
def telemetry(database: Database) -> Telemetry:
    return Telemetry(database)


def totals(telemetry: Telemetry, name: str) -> dict[tuple[str, ...], float]:
    """The totals of one metric, by its labels."""
    return {labels: value for (found, labels), value in telemetry.totals().items() if found == name}


@contextmanager
def away(url: str) -> Iterator[None]:
    """The database refuses connections, and existing ones are cut."""
    name = rows(url, "SELECT current_database() AS name")[0]["name"]
    with psycopg.connect(sibling_url(url, "postgres"), autocommit=True) as connection:
        for allowed in (False, True):
            alter = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), sql.Literal(allowed))
            connection.execute(alter)
            if not allowed:
                connection.execute(
                    b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
                )
                yield


def test_counts_of_two_processes_add_up(database_url: str) -> None:
    """Each has its own services, as processes do."""
    both = [services_on(make_settings(database_url, "http://127.0.0.1:9"), database_url) for _ in range(2)]
    for services, number in zip(both, (2, 3), strict=True):
        services.telemetry.record_sync("cli", "succeeded")
        services.telemetry.record_counts("push", "reservations", Counts(inserted=number, unchanged=1))
        services.close()
    last = services_on(make_settings(database_url, "http://127.0.0.1:9"), database_url)
    assert totals(last.telemetry, "syncs") == {("cli", "succeeded"): 2}
    assert totals(last.telemetry, "records") == {
        ("push", "reservations", "inserted"): 5,
        ("push", "reservations", "unchanged"): 2,
    }
    last.close()


def test_nothing_is_stored_before_a_flush(telemetry: Telemetry) -> None:
    telemetry.record_token_refresh()
    assert totals(telemetry, "token_refreshes") == {}
    telemetry.flush()
    assert totals(telemetry, "token_refreshes") == {(): 1}


def test_a_flush_adds_once(telemetry: Telemetry) -> None:
    telemetry.record_token_refresh()
    telemetry.flush()
    telemetry.flush()
    assert totals(telemetry, "token_refreshes") == {(): 1}


def test_a_flush_that_fails_keeps_the_counts(telemetry: Telemetry, database_url: str) -> None:
    telemetry.record_token_refresh()
    with away(database_url):
        with pytest.raises(DatabaseUnavailable):
            telemetry.flush()
        telemetry.record_token_refresh()
        with pytest.raises(DatabaseUnavailable):
            telemetry.flush()
    telemetry.flush()
    assert totals(telemetry, "token_refreshes") == {(): 2}


def test_threads_lose_no_count(telemetry: Telemetry) -> None:
    def work(_: int) -> None:
        for number in range(200):
            telemetry.record_request("/listings", "ok", 0.01)
            if number % 50 == 0:
                telemetry.flush()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    telemetry.flush()
    assert totals(telemetry, "api_requests") == {("/listings", "ok"): 800}


def test_processes_that_flush_at_once_do_not_deadlock(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    everybody = [Telemetry(database) for database in databases]

    def work(numbered: tuple[int, Telemetry]) -> None:
        number, telemetry = numbered
        for round_ in range(20):
            for entity in sorted("abcdef", reverse=bool(number % 2)):
                telemetry.record_counts("pull", entity + str(round_ % 2), Counts(updated=1))
            telemetry.flush()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, enumerate(everybody)))
    assert sum(totals(everybody[0], "records").values()) == 4 * 20 * 6
    for database in databases:
        database.dispose()


# What is counted


def test_only_outcomes_that_happened_are_counted(telemetry: Telemetry) -> None:
    telemetry.record_counts("pull", "messages", Counts(fetched=9, inserted=2, updated=3, unchanged=4, deleted=0))
    telemetry.flush()
    assert totals(telemetry, "records") == {
        ("pull", "messages", "inserted"): 2,
        ("pull", "messages", "updated"): 3,
        ("pull", "messages", "unchanged"): 4,
    }


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, "0.005"), (0.005, "0.005"), (0.0051, "0.01"), (0.3, "0.5"), (1.0, "1"), (30.0, "30"), (30.1, "+Inf")],
)
def test_a_duration_falls_into_the_first_bucket_that_holds_it(
    telemetry: Telemetry, seconds: float, bucket: str
) -> None:
    telemetry.record_request("/listings", "ok", seconds)
    telemetry.flush()
    assert totals(telemetry, "api_seconds_bucket") == {("/listings", bucket): 1}
    assert totals(telemetry, "api_seconds_sum") == {("/listings",): seconds}


def test_bucket_bounds_increase():
    assert list(BUCKETS) == sorted(set(BUCKETS))


def test_statements_are_counted_by_name(telemetry: Telemetry, database: Database, database_url: str) -> None:
    """`-- merge: …` is merge, wherever it comes from; anything else goes by its first word."""
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1) RETURNING 1")
    row = RESERVATIONS.row(reservation())
    assert row is not None
    PullWriter(database, Owner(1, UUID(int=7))).merge(RESERVATIONS, [row])
    Inbox(database).claim(1)
    Inbox(database).state()
    telemetry.flush()
    counted = {labels[0]: count for labels, count in totals(telemetry, "db_seconds_bucket").items()}
    assert (counted["merge"], counted["claim_events"]) == (1, 1)
    assert "select" in counted
    assert not [name for name in counted if " " in name or len(name) > 40]
    assert set(counted) == {labels[0] for labels in totals(telemetry, "db_seconds_sum")}
