"""An API that answers 403 for ever must not make the client fetch tokens for ever."""

import pytest

from hostaway_pipeline.errors import AccessDenied
from tests.factories import OpenAccount

TOKEN_CALLS = "POST /v1/accessTokens"
MOST_TOKENS = 5


def test_endless_403s_for_objects_fetch_no_token(open_account: OpenAccount) -> None:
    """The token works for another request, which the client checks before it replaces the token."""
    sandbox, services = open_account("59808:2:20")
    account = sandbox.world.account(59808)
    account.locked_reservations.update(account.reservations)
    with services.client(59808) as client:
        for reservation_id in list(account.reservations)[:12]:
            with pytest.raises(AccessDenied):
                client.get_object(f"/reservations/{reservation_id}")
    assert sandbox.counters.calls()[TOKEN_CALLS] == 0


def test_endless_403s_for_everything_fetch_a_bounded_number_of_tokens(open_account: OpenAccount) -> None:
    """A 403 may be about the token; after a few new tokens it cannot be."""
    sandbox, services = open_account("59808:2:20", token_delay=1e6)
    with services.client(59808) as client:
        for _ in range(12):
            with pytest.raises(AccessDenied):
                client.page("/listings", {})
    assert 1 <= sandbox.counters.calls()[TOKEN_CALLS] <= MOST_TOKENS
