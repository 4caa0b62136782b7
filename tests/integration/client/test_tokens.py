"""The token: fetched once for all clients, usable one second after it was issued, replaced when it is refused."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.retry import RetryPolicy
from hostaway_pipeline.errors import AccessDenied, InvalidCredentials, ServerError
from hostaway_pipeline.services import Services
from tests.factories import OpenAccount, OpenSandbox, OpenServices, add_account, rows, sync, synced
from tests.waiting import wait_until

TOKEN_CALLS = "POST /v1/accessTokens"


def test_one_token_serves_all_threads_and_later_syncs(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    """Hostaway asks clients not to create a token per call or per run."""
    sandbox = open_sandbox("59808:2:20", token_delay=1.0)
    services = open_services(sandbox)
    add_account(services, 59808, with_token=False)
    synced(services, 59808)
    synced(open_services(sandbox), 59808)
    assert sandbox.counters.calls()[TOKEN_CALLS] == 1
    assert sandbox.counters.by_status().get(403, 0) == 0, "a token that is younger than a second was used"


def test_concurrent_callers_fetch_one_token(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    sandbox = open_sandbox("59808:2:20", token_delay=1.0)
    add_account(open_services(sandbox), 59808, with_token=False)
    everybody = [open_services(sandbox) for _ in range(4)]  # as many processes would: nothing shared but Postgres

    def read(services: Services) -> int:
        with services.client(59808) as client:
            return len(client.page("/listings", {}).rows)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, everybody)) == [2, 2, 2, 2]
    assert sandbox.counters.calls()[TOKEN_CALLS] == 1


def test_a_token_revoked_during_a_sync_is_replaced_once(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    sandbox = open_sandbox("59808:2:40", token_delay=1.0)
    services = open_services(sandbox)
    add_account(services, 59808, with_token=False)
    synced(services, 59808)
    sandbox.tokens.revoke_all(59808)
    synced(services, 59808)
    assert sandbox.counters.calls()[TOKEN_CALLS] == 2


def test_a_403_with_a_fresh_token_concerns_the_object(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    """A locked reservation answers 403 to any token. Checking the token costs one call, and no new token."""
    sandbox = open_sandbox("59808:2:20", token_delay=1.0)
    services = open_services(sandbox)
    add_account(services, 59808, with_token=False)
    with services.client(59808) as client:
        locked = next(iter(sandbox.world.account(59808).truth("reservations")))["id"]
        sandbox.world.account(59808).locked_reservations.add(locked)
        with pytest.raises(Exception, match="HTTP 403"):
            client.page(f"/reservations/{locked}", {})
    assert sandbox.counters.calls()[TOKEN_CALLS] == 1
    assert sandbox.counters.by_status() == {200: 2, 403: 1}


def test_concurrent_403s_share_one_check_of_the_token(open_account: OpenAccount) -> None:
    sandbox, services = open_account("59808:2:40")
    account = sandbox.world.account(59808)
    account.locked_reservations.update(account.reservations)

    def denied(reservation_id: int) -> bool:
        with pytest.raises(AccessDenied):
            client.get_object(f"/reservations/{reservation_id}")
        return True

    def checks() -> int:
        sandbox.counters.reset()
        sandbox.faults.hold_after = 0
        asked = pool.map(denied, list(account.reservations)[:16])
        wait_until(lambda: sandbox.counters.in_flight == 16)
        sandbox.faults.clear()
        assert all(asked)
        assert sandbox.counters.calls()[TOKEN_CALLS] == 0
        return sandbox.counters.calls()["/v1/listings"]

    with services.client(59808) as client, ThreadPoolExecutor(16) as pool:
        assert any(checks() <= 4 for _ in range(5)), "a busy machine keeps the threads of some tries apart"


def test_a_token_revoked_right_after_a_success_is_replaced(open_account: OpenAccount) -> None:
    """Its recent success proves nothing: no object may be reported as denied because of it."""
    sandbox, services = open_account("59808:2:40")
    wanted = list(sandbox.world.account(59808).reservations)[:16]
    with services.client(59808) as client, ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            client.page("/listings", {})
            sandbox.tokens.revoke_all(59808)
            assert len(list(pool.map(lambda one: client.get_object(f"/reservations/{one}"), wanted))) == len(wanted)
    assert sandbox.counters.calls()[TOKEN_CALLS] == 3


def test_a_403_that_cannot_be_checked_is_transient(open_account: OpenAccount) -> None:
    """Hostaway becomes unreachable between the 403 and the check of the token, so nothing is known about the object."""
    sandbox, services = open_account("59808:2:20")
    locked = next(iter(sandbox.world.account(59808).reservations))
    sandbox.world.account(59808).locked_reservations.add(locked)

    class GoesAway:
        def record_request(self, path: str, outcome: str, seconds: float) -> None:
            sandbox.faults.update(down=outcome == "AccessDenied")

        def record_token_refresh(self) -> None: ...

    parts = {"tokens": services.tokens, "limiter": services.slots, "observer": GoesAway(), "concurrency": 1}
    client = HostawayClient(59808, base_url=sandbox.url, policy=RetryPolicy(max_attempts=1), **parts)  # type: ignore[arg-type]
    with client, pytest.raises(ServerError):
        client.get_object(f"/reservations/{locked}")
    assert sandbox.counters.calls()[TOKEN_CALLS] == 0


def test_a_wrong_secret_fails_at_once_and_writes_no_row(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    sandbox = open_sandbox("59808:2:20", token_delay=1.0)
    services = open_services(sandbox)
    add_account(services, 59808, secret="not the secret")
    report = sync(services, 59808)
    assert report.status == "failed"
    assert isinstance(report.error, InvalidCredentials)
    assert report.api_calls <= 3
    assert rows(database_url, "SELECT 1 FROM hostaway.listings") == []
    assert rows(database_url, "SELECT status FROM hostaway.sync_runs") == [{"status": "failed"}]


def test_the_stored_token_is_encrypted(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    sandbox = open_sandbox("59808:2:5", token_delay=1.0)
    services = open_services(sandbox)
    add_account(services, 59808, with_token=False)
    synced(services, 59808)
    stored = rows(database_url, "SELECT client_secret, access_token FROM hostaway.accounts")[0]
    assert all(value.startswith("v1:test:") for value in stored.values())
