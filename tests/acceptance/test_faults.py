"""Faults of the API, alone and together: the same final tables, a bounded number of tries, no hot loop."""

from tests.factories import OpenAccount, OpenSandbox, OpenServices, add_account, assert_equal_to_source, sync, synced


def test_all_faults_at_once_end_at_the_same_tables(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    """5% errors, 2% garbled, 1% hanging, 1% cut, a revoked token, and data that drifts while it is read."""
    sandbox = open_sandbox("59808:10:400")
    services = open_services(sandbox, read_timeout=1.5)
    add_account(services, 59808)
    sandbox.faults.update(
        error_share=0.05, garbled_share=0.02, hang_share=0.01, cut_share=0.01, revoke_after=100, drift_every=3,
        drift_limit=60,
    )  # fmt: skip
    first = sync(services, 59808)
    assert first.error is None, first.error
    conversations = len(list(sandbox.world.account(59808).truth("conversations")))
    assert sandbox.counters.total <= 1.5 * (conversations + 50), "every fault costs a try, and no more"

    sandbox.faults.clear()
    synced(services, 59808, mode="reconcile")
    assert_equal_to_source(database_url, sandbox, 59808)
    assert sandbox.drift.changes == 60


def test_a_sync_outlasts_a_storm_of_429s(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    sandbox = open_sandbox("59808:2:12")  # after a 429, few requests a second
    services = open_services(sandbox, rate_limit_ip="200/2", rate_limit_account="200/2", concurrency=4)
    add_account(services, 59808)
    synced(services, 59808, entities=("listings",))

    def refused() -> int:
        sandbox.faults.update(storm_seconds=4.0)
        return synced(services, 59808).http_429

    # A storm may be over before a slow machine asks for anything.
    most = next(number for number in (refused() for _ in range(5)) if number)
    assert most <= 40, "callers wait for the time that the server names, they do not knock"
    assert_equal_to_source(database_url, sandbox, 59808)


def test_a_silently_lowered_page_cap_loses_nothing(open_account: OpenAccount, database_url: str) -> None:
    sandbox, services = open_account("59808:12:90")
    sandbox.faults.update(page_cap=7)
    synced(services, 59808)
    assert_equal_to_source(database_url, sandbox, 59808)


def test_rows_that_move_while_lists_are_read_are_never_lost(open_account: OpenAccount, database_url: str) -> None:
    """Rows change between two pages: the next pass, or a second read of the newest rows, finds what one pass missed."""
    sandbox, services = open_account("59808:3:200", reservations_cap=20, conversations_cap=20, latency=0.01)
    sandbox.faults.update(drift_every=4, drift_limit=14)
    sync(services, 59808)
    sandbox.faults.clear()
    synced(services, 59808, mode="reconcile")
    assert_equal_to_source(database_url, sandbox, 59808)


def test_a_sync_gives_up_on_an_api_that_hangs_for_ever(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    sandbox = open_sandbox("59808:2:5")
    add_account(open_services(sandbox), 59808)
    synced(open_services(sandbox), 59808)
    services = open_services(sandbox, read_timeout=0.3)
    sandbox.faults.update(hang_share=1.0)
    report = sync(services, 59808, entities=("listings",))
    assert report.status == "failed"
    assert "reading timed out" in str(report.error)
    assert report.api_calls == 5
