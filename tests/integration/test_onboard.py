"""Adding and removing accounts: no credentials are stored that Hostaway refuses, and no secret stays behind."""

from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from hostaway_pipeline.errors import AccountError, ApiError, InvalidCredentials
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.onboard import Onboarded, add_account, change_secret, remove_account
from hostaway_pipeline.sync.registration import ROTATION_OVERLAP, ensure_webhook
from tests import factories
from tests.factories import OpenSandbox, OpenServices, accepted, assert_equal_to_source, rows, stored, synced
from tests.sandbox.receiver import Receiver

ACCOUNT = 59808
SECRET = f"sandbox-secret-{ACCOUNT}"
SECRETS = ("client_secret", "access_token", "token_expires_at", "webhook_login", "webhook_password",
           "webhook_previous_login", "webhook_previous_password", "webhook_previous_until")  # fmt: skip


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:2:10")


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices, receiver: Receiver) -> Services:
    return open_services(sandbox, public_url=f"http://{urlsplit(receiver.url).netloc}")


def add(services: Services, secret: str = SECRET, *, is_due: bool = False, name: str | None = None) -> Onboarded:
    return add_account(services, ACCOUNT, secret, name=name, customer_id=UUID(int=7), is_due=is_due)


def present(services: Services) -> None:
    """An account added before, with a token: a new token would cost each test a second."""
    factories.add_account(services, ACCOUNT)
    with services.client(ACCOUNT) as client:
        ensure_webhook(services, client)


def stored_account(url: str) -> dict[str, object]:
    return rows(url, "SELECT * FROM hostaway.accounts WHERE account_id = %s", ACCOUNT)[0]


def hooks(sandbox: SandboxServer) -> int:
    return len(sandbox.world.account(ACCOUNT).webhooks.all())


# Adding


def test_an_account_is_checked_stored_and_registered(
    sandbox: SandboxServer, services: Services, receiver: Receiver, database_url: str
) -> None:
    onboarded = add(services, name="Sea view", is_due=True)
    assert onboarded.webhook_problem is None
    account = onboarded.account
    assert (account.account_id, account.name, account.customer_id) == (ACCOUNT, "Sea view", UUID(int=7))
    (due,) = services.cadences.of(ACCOUNT)
    assert (due.mode, due.requested_at is not None) == ("reconcile", True), "its first sync starts by itself"
    assert hooks(sandbox) == 1
    assert sandbox.deliveries.wait_idle(10)
    assert [ping.status for ping in sandbox.deliveries.pings] == [200, 200]
    assert SECRET not in str(stored_account(database_url))


def test_the_token_that_proved_the_secret_is_kept(sandbox: SandboxServer, services: Services) -> None:
    """Hostaway asks clients not to create a token per call."""
    add(services)
    synced(services, ACCOUNT)
    assert sandbox.counters.calls()["POST /v1/accessTokens"] == 1


def test_without_a_public_url_no_webhook_is_wanted(sandbox: SandboxServer, open_services: OpenServices) -> None:
    assert add(open_services(sandbox)).webhook_problem is None
    assert hooks(sandbox) == 0


def test_a_wrong_secret_stores_nothing(services: Services, database_url: str) -> None:
    with pytest.raises(InvalidCredentials):
        add(services, "wrong")
    assert rows(database_url, "SELECT * FROM hostaway.accounts") == []


def test_an_unreachable_api_stores_nothing(sandbox: SandboxServer, services: Services, database_url: str) -> None:
    sandbox.faults.update(down=True)
    with pytest.raises(ApiError):
        add(services)
    assert rows(database_url, "SELECT * FROM hostaway.accounts") == []


def test_an_existing_account_is_refused_without_a_call(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    add(services)
    before = stored_account(database_url)
    sandbox.counters.reset()
    with pytest.raises(AccountError, match="exists already"):
        add(services, "wrong")
    assert sandbox.counters.total == 0
    assert stored_account(database_url) == before


def test_a_webhook_that_cannot_be_registered_does_not_prevent_adding_the_account(
    open_sandbox: OpenSandbox, open_services: OpenServices
) -> None:
    """Hostaway refuses the URL; a reconcile tries again."""
    sandbox = open_sandbox(f"{ACCOUNT}:1:2", require_public_urls=True)
    services = open_services(sandbox, public_url="http://127.0.0.1:9")
    onboarded = add(services)
    assert onboarded.webhook_problem is not None
    assert "url must be https" in onboarded.webhook_problem
    assert services.accounts.get(ACCOUNT).is_active
    sandbox.config.require_public_urls = False
    synced(services, ACCOUNT, mode="reconcile")
    assert hooks(sandbox) == 1


# Changing the secret


def test_an_accepted_secret_replaces_the_stored_one(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    present(services)
    before = stored_account(database_url)
    sandbox.world.account(ACCOUNT).secret = "another secret"
    sandbox.tokens.revoke_all(ACCOUNT)
    change_secret(services, ACCOUNT, "another secret")
    assert stored_account(database_url)["client_secret"] != before["client_secret"]
    synced(services, ACCOUNT)


def test_a_refused_secret_leaves_the_stored_one(services: Services, database_url: str) -> None:
    present(services)
    before = stored_account(database_url)
    with pytest.raises(InvalidCredentials):
        change_secret(services, ACCOUNT, "wrong")
    assert stored_account(database_url) == before


# Removing


def test_a_soft_removal_forgets_every_secret_and_keeps_the_rows(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    present(services)
    synced(services, ACCOUNT)
    services.webhooks.rotate(ACCOUNT, ROTATION_OVERLAP)
    assert all(stored_account(database_url)[name] is not None for name in SECRETS)

    assert remove_account(services, ACCOUNT, hard=False) is None

    account = stored_account(database_url)
    assert {name: account[name] for name in SECRETS} == dict.fromkeys(SECRETS)
    assert (account["is_active"], account["webhook_id"], account["webhook_enabled"]) == (False, None, None)
    assert hooks(sandbox) == 0
    assert accepted(services) == []
    assert_equal_to_source(database_url, sandbox, ACCOUNT)
    with pytest.raises(AccountError, match="was removed"):
        services.accounts.get(ACCOUNT)


def test_an_account_added_again_has_its_rows_and_a_webhook_of_its_own(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    present(services)
    synced(services, ACCOUNT)
    before = rows(database_url, "SELECT xmin::text, * FROM hostaway.reservations ORDER BY id")
    login = stored_account(database_url)["webhook_login"]
    remove_account(services, ACCOUNT, hard=False)

    add(services)

    assert rows(database_url, "SELECT xmin::text, * FROM hostaway.reservations ORDER BY id") == before
    assert stored_account(database_url)["webhook_login"] != login
    assert hooks(sandbox) == 1
    assert synced(services, ACCOUNT, mode="reconcile").entities["reservations"].inserted == 0


def test_a_hard_removal_leaves_nothing(sandbox: SandboxServer, services: Services, database_url: str) -> None:
    present(services)
    synced(services, ACCOUNT)
    assert remove_account(services, ACCOUNT, hard=True) is None
    tables = rows(database_url, "SELECT table_name FROM information_schema.columns WHERE table_schema = 'hostaway' "
                  "AND column_name = 'account_id' ORDER BY 1")  # fmt: skip
    assert len(tables) > 10
    for table in tables:
        assert rows(database_url, f"SELECT 1 FROM hostaway.{table['table_name']}") == [], table
    assert hooks(sandbox) == 0


def test_an_account_that_was_removed_softly_may_be_removed_for_good(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    present(services)
    synced(services, ACCOUNT)
    remove_account(services, ACCOUNT, hard=False)
    sandbox.counters.reset()
    assert remove_account(services, ACCOUNT, hard=True) is None
    assert sandbox.counters.total == 0
    assert stored(database_url, ACCOUNT, "reservations") == {}


@pytest.mark.parametrize("hard", [True, False])
def test_removal_works_without_the_api_and_says_what_is_left(
    sandbox: SandboxServer, services: Services, hard: bool
) -> None:
    present(services)
    sandbox.faults.update(down=True)
    problem = remove_account(services, ACCOUNT, hard=hard)
    assert problem is not None
    assert "HTTP 503" in problem
    assert services.accounts.active() == []
    assert accepted(services) == [], "what Hostaway still delivers is refused"
    assert hooks(sandbox) == 1


def test_an_unknown_account_cannot_be_removed(services: Services) -> None:
    with pytest.raises(AccountError, match="is not known"):
        remove_account(services, ACCOUNT, hard=True)
