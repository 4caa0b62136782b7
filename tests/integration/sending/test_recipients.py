"""Finding the account of a reservation that no table has: a few accounts are asked, each failure on its own."""

from collections.abc import Iterable

import pytest

from hostaway_pipeline.errors import MessageNotSent
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.sending.send import SendRequest, send_message
from tests.factories import OpenSandbox, OpenServices, add_account, rows

FIRST, *OTHERS = ACCOUNTS = range(59808, 59814)


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(*(f"{account_id}:1:2" for account_id in ACCOUNTS), send_limit=None)


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    """Nothing is synced."""
    return open_services(sandbox)


def add(services: Services, account_ids: Iterable[int]) -> None:
    for account_id in account_ids:
        add_account(services, account_id)


@pytest.fixture
def reservation_id(sandbox: SandboxServer) -> int:
    """A reservation that only the first account has."""
    account = sandbox.world.account(FIRST)
    added: int = account.add_reservation(id=88_000_001)["id"]
    account.add_conversation(added)
    return added


def test_the_account_that_has_the_reservation_is_found_even_if_others_fail(
    services: Services, sandbox: SandboxServer, reservation_id: int, database_url: str
) -> None:
    """One answers 5xx, one has a wrong secret, one has a secret that cannot be decrypted."""
    add(services, ACCOUNTS[:4])
    broken, wrong, sealed = ACCOUNTS[1:4]
    sandbox.faults.update(dead_accounts={broken})
    services.accounts.change_secret(wrong, "not the secret")
    forget = (
        "UPDATE hostaway.accounts SET access_token = NULL, token_expires_at = NULL WHERE account_id = %s RETURNING 1"
    )
    rows(database_url, forget, wrong)
    rows(database_url, forget, sealed)
    swap = "UPDATE hostaway.accounts SET client_secret = 'v1:gone:AAAA' WHERE account_id = %s RETURNING 1"
    rows(database_url, swap, sealed)
    sent = send_message(services, SendRequest("key", reservation_id, "Hello"))
    assert (sent.account_id, sent.status) == (FIRST, "sent")


def test_none_has_it_and_one_could_not_be_asked(services: Services, sandbox: SandboxServer) -> None:
    add(services, ACCOUNTS[:3])
    sandbox.faults.update(dead_accounts={ACCOUNTS[1]})
    with pytest.raises(MessageNotSent, match=rf"but \[{ACCOUNTS[1]}\] could not be asked") as raised:
        send_message(services, SendRequest("key", 123, "Hello"))
    assert raised.value.status == "unasked"


def test_none_has_it(services: Services) -> None:
    add(services, ACCOUNTS[:5])
    with pytest.raises(MessageNotSent, match="no account has reservation 123") as raised:
        send_message(services, SendRequest("key", 123, "Hello"))
    assert raised.value.status == "unknown"


def test_with_more_than_a_few_accounts_none_is_asked(
    services: Services, sandbox: SandboxServer, reservation_id: int
) -> None:
    add(services, ACCOUNTS)
    with pytest.raises(MessageNotSent, match="6 accounts are too many to ask: say whose it is as account_id") as raised:
        send_message(services, SendRequest("key", reservation_id, "Hello"))
    assert raised.value.status == "account_needed"
    assert sandbox.counters.total == 0
    assert send_message(services, SendRequest("key", reservation_id, "Hello", account_id=FIRST)).status == "sent"
