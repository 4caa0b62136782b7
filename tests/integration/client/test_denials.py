"""An API that denies objects for ever must not make us ask for tokens for ever."""

from collections.abc import Callable

import pytest

from hostaway_pipeline.errors import AccessDenied
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import add_account

TOKEN_CALLS = "POST /v1/accessTokens"
MOST_TOKENS = 5


def test_endless_403s_for_objects_fetch_no_token(
    open_sandbox: Callable[..., SandboxServer], open_services: Callable[..., Services]
) -> None:
    """The token works for everything else, and a look at that decides."""
    sandbox = open_sandbox("59808:2:20")
    services = open_services(sandbox)
    add_account(services, 59808)
    account = sandbox.world.account(59808)
    account.locked_reservations.update(account.reservations)
    with services.client(59808) as client:
        for reservation_id in list(account.reservations)[:12]:
            with pytest.raises(AccessDenied):
                client.get_object(f"/reservations/{reservation_id}")
    assert sandbox.counters.calls()[TOKEN_CALLS] == 0


def test_endless_403s_for_everything_fetch_a_bounded_number_of_tokens(
    open_sandbox: Callable[..., SandboxServer], open_services: Callable[..., Services]
) -> None:
    """Each new token could be what a denial was about; after a few of them it surely is not."""
    sandbox = open_sandbox("59808:2:20", token_delay=1e6)
    services = open_services(sandbox)
    add_account(services, 59808)
    with services.client(59808) as client:
        for _ in range(12):
            with pytest.raises(AccessDenied):
                client.page("/listings", {})
    assert 1 <= sandbox.counters.calls()[TOKEN_CALLS] <= MOST_TOKENS
