"""What we saw of reservations, compared with their audit trails: the check `trails_agree`."""

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.trails import read_trails
from tests.factories import OpenAccount, rows, synced

ID = 59808


@pytest.fixture
def opened(open_account: OpenAccount) -> tuple[SandboxServer, Services]:
    """An account of which three reservations have moved, one of them twice between two looks."""
    sandbox, services = open_account(f"{ID}:1:8")
    synced(services, ID)
    account = sandbox.world.account(ID)
    for key in list(account.reservations)[:3]:
        account.update_reservation(key, status="pending", totalPrice=1.0, financeField=[])
    synced(services, ID)
    account.update_reservation(next(iter(account.reservations)), status="unconfirmed")
    account.update_reservation(next(iter(account.reservations)), status="declined")
    synced(services, ID)
    return sandbox, services


def sampled(url: str) -> list[tuple[int, int]]:
    found = rows(url, "SELECT server_count, seen_count FROM hostaway.sweeps WHERE entity = 'trail_sample'")
    return [(row["server_count"], row["seen_count"]) for row in found]


def test_what_we_saw_agrees_with_the_trails(opened: tuple[SandboxServer, Services], database_url: str) -> None:
    _, services = opened
    assert read_trails(services, ID).report.api_calls == 8 + 3
    assert sampled(database_url) == [(3, 3)]
    assert services.checks.trail_differences() == []


def test_a_state_that_never_was_is_found(opened: tuple[SandboxServer, Services], database_url: str) -> None:
    sandbox, services = opened
    key = list(sandbox.world.account(ID).reservations)[1]
    rows(database_url, "UPDATE hostaway.reservation_versions SET total_price = total_price + 7 "
                       "WHERE reservation_id = %s AND source = 'copy' RETURNING 1", key)  # fmt: skip
    read_trails(services, ID)
    assert sampled(database_url) == [(3, 2)]
    [finding] = services.checks.trail_differences()
    assert finding.account_id == ID
    assert finding.what.endswith(f": {key}")


def test_a_doubtful_trail_is_not_compared(opened: tuple[SandboxServer, Services], database_url: str) -> None:
    sandbox, services = opened
    sandbox.faults.trails_contradict = 1.0
    read_trails(services, ID)
    assert sampled(database_url) == [(0, 0)]
    assert services.checks.trail_differences() == []
