"""Registering the webhook: one per account and URL, created or adopted, whatever was there and whatever fails."""

from typing import Any

import pytest

from hostaway_pipeline.errors import ApiError, TransientApiError
from hostaway_pipeline.sandbox.deliveries.webhooks import Settings
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.webhooks import Credential
from hostaway_pipeline.sync.registration import (
    ROTATION_OVERLAP,
    Registration,
    ensure_webhook,
    receiver_url,
    remove_webhook,
    rotate_password,
    try_webhook,
)
from tests.factories import OpenSandbox, OpenServices, accepted, add_account, rows

ACCOUNT = 59808
PUBLIC_URL = "http://127.0.0.1:9"  # nobody answers there: a registration does not depend on it
URL = f"{PUBLIC_URL}/webhooks/hostaway"
HOOKS = "/v1/webhooks/unifiedWebhooks"


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:1:2", "70001:1:2")


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox, public_url=PUBLIC_URL)
    add_account(services, ACCOUNT)
    sandbox.counters.reset()
    return services


def ensure(services: Services, account_id: int = ACCOUNT, **options: Any) -> Registration | None:
    with services.client(account_id) as client:
        return ensure_webhook(services, client, **options)


def rotate(services: Services) -> Registration | None:
    with services.client(ACCOUNT) as client:
        return rotate_password(services, client)


def remove(services: Services) -> bool:
    with services.client(ACCOUNT) as client:
        return remove_webhook(services.webhooks, client, receiver_url(services.settings))


def was(registration: Registration | None) -> str:
    assert registration is not None
    return registration.action


def by_hand(sandbox: SandboxServer, **settings: Any) -> int:
    """Create a webhook as a person does in Hostaway's dashboard; return its id."""
    wish = {"url": URL, "login": "somebody", "password": "else"} | settings
    return sandbox.world.account(ACCOUNT).webhooks.add(Settings.parse(wish)).id


def at_hostaway(sandbox: SandboxServer, account_id: int = ACCOUNT) -> list[Settings]:
    return [hook.settings for hook in sandbox.world.account(account_id).webhooks.all()]


def assert_delivers_to_us(sandbox: SandboxServer, services: Services) -> None:
    """Exactly one webhook has our URL; it is enabled, and has the credentials that we accept first."""
    (hook,) = [one for one in at_hostaway(sandbox) if one.url == URL]
    credential = services.webhooks.ensure_credential(ACCOUNT)
    assert (hook.is_enabled, hook.login, hook.password) == (True, credential.login, credential.password)


def test_without_a_public_url_nothing_is_registered(sandbox: SandboxServer, open_services: OpenServices) -> None:
    services = open_services(sandbox)
    add_account(services, ACCOUNT)
    assert ensure(services) is None
    assert rotate(services) is None
    assert remove(services) is False
    assert sandbox.counters.total == 0


def test_a_webhook_is_created_with_credentials_of_its_own(sandbox: SandboxServer, services: Services) -> None:
    registration = ensure(services)
    assert was(registration) == "created"
    assert_delivers_to_us(sandbox, services)
    state = services.webhooks.state(ACCOUNT)
    assert registration is not None
    assert (state.webhook_id, state.is_enabled) == (registration.webhook_id, True)
    assert state.checked_at is not None


def test_maintaining_an_unchanged_webhook_costs_one_call(sandbox: SandboxServer, services: Services) -> None:
    ensure(services)
    sandbox.counters.reset()
    assert was(ensure(services)) == "unchanged"
    assert dict(sandbox.counters.calls()) == {HOOKS: 1}


def test_repeated_registration_leaves_one_webhook(sandbox: SandboxServer, services: Services) -> None:
    assert [was(ensure(services)) for _ in range(4)] == ["created", "unchanged", "unchanged", "unchanged"]
    assert len(at_hostaway(sandbox)) == 1


def test_a_webhook_made_by_hand_is_adopted(sandbox: SandboxServer, services: Services) -> None:
    made = by_hand(sandbox)
    registration = ensure(services)
    assert registration == Registration(made, "adopted")
    assert_delivers_to_us(sandbox, services)
    assert was(ensure(services)) == "unchanged"


def test_a_webhook_that_hostaway_disabled_is_enabled_again(sandbox: SandboxServer, services: Services) -> None:
    """It does so after five days of failures, without notice."""
    ensure(services)
    hooks = sandbox.world.account(ACCOUNT).webhooks
    hook = hooks.all()[0]
    hooks.change(hook.id, hook.settings.model_copy(update={"is_enabled": False}))
    assert was(ensure(services)) == "enabled"
    assert_delivers_to_us(sandbox, services)
    assert services.webhooks.state(ACCOUNT).is_enabled is True


def test_a_webhook_whose_login_was_changed_by_hand_gets_ours_back(sandbox: SandboxServer, services: Services) -> None:
    ensure(services)
    hooks = sandbox.world.account(ACCOUNT).webhooks
    hook = hooks.all()[0]
    hooks.change(hook.id, hook.settings.model_copy(update={"login": "other", "password": "other"}))
    assert was(ensure(services)) == "adopted"
    assert_delivers_to_us(sandbox, services)


def test_a_deleted_webhook_is_created_again(sandbox: SandboxServer, services: Services) -> None:
    ensure(services)
    hooks = sandbox.world.account(ACCOUNT).webhooks
    hooks.remove(hooks.all()[0].id)
    assert was(ensure(services)) == "created"
    assert_delivers_to_us(sandbox, services)


def test_webhooks_of_others_are_left_alone(sandbox: SandboxServer, services: Services) -> None:
    others = [by_hand(sandbox, url=f"https://crm{n}.example.com/hook") for n in range(2)]
    before = at_hostaway(sandbox)
    ensure(services)
    remove(services)
    assert at_hostaway(sandbox) == before
    assert len(others) == 2


def test_several_webhooks_with_our_url_become_one(sandbox: SandboxServer, services: Services) -> None:
    """Each would deliver every event, and all but one with a password that is refused."""
    for _ in range(3):
        by_hand(sandbox)
    ensure(services)
    assert_delivers_to_us(sandbox, services)
    assert was(ensure(services)) == "unchanged"


def test_of_several_webhooks_the_known_one_is_kept(sandbox: SandboxServer, services: Services) -> None:
    by_hand(sandbox, url="https://crm.example.com/hook")
    registration = ensure(services)
    by_hand(sandbox)
    assert registration is not None
    assert ensure(services) == Registration(registration.webhook_id, "unchanged")
    assert_delivers_to_us(sandbox, services)


@pytest.mark.parametrize("cap", [1, 2])
def test_our_webhook_is_found_after_a_short_page(sandbox: SandboxServer, services: Services, cap: int) -> None:
    """The server may return fewer rows than requested."""
    for number in range(4):
        by_hand(sandbox, url=f"https://crm{number}.example.com/hook")
    made = by_hand(sandbox)
    sandbox.faults.update(page_cap=cap)
    assert ensure(services) == Registration(made, "adopted")
    assert_delivers_to_us(sandbox, services)


def test_a_new_public_url_updates_the_webhook(
    sandbox: SandboxServer, services: Services, open_services: OpenServices
) -> None:
    """A second webhook would leave the first one calling the old URL."""
    created = ensure(services)
    moved = open_services(sandbox, public_url="http://127.0.0.1:10")
    assert created is not None
    assert ensure(moved) == Registration(created.webhook_id, "adopted")
    assert [hook.url for hook in at_hostaway(sandbox)] == ["http://127.0.0.1:10/webhooks/hostaway"]
    assert was(ensure(moved)) == "unchanged"


# Credentials


def test_credentials_are_encrypted_and_unique_per_account(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    add_account(services, 70001)
    for account_id in (ACCOUNT, 70001):
        ensure(services, account_id)
    first, second = (at_hostaway(sandbox, account_id)[0] for account_id in (ACCOUNT, 70001))
    assert len({first.login, second.login, first.password, second.password}) == 4
    table = str(rows(database_url, "SELECT * FROM hostaway.accounts"))
    assert first.login is not None
    assert first.login in table
    assert first.password not in table
    assert second.password not in table


def test_a_login_reveals_nothing_about_the_account(services: Services) -> None:
    assert str(ACCOUNT) not in services.webhooks.ensure_credential(ACCOUNT).login


def test_a_credential_does_not_show_in_a_traceback(services: Services) -> None:
    credential = services.webhooks.ensure_credential(ACCOUNT)
    assert credential.password not in repr(credential)
    assert credential.login not in repr(credential)


def test_the_accepted_credentials_are_those_of_active_accounts(services: Services) -> None:
    add_account(services, 70001)
    pairs = [services.webhooks.ensure_credential(account_id) for account_id in (ACCOUNT, 70001)]
    assert sorted_by_account(accepted(services)) == sorted_by_account(pairs)
    services.accounts.remove(70001, hard=False)
    assert accepted(services) == [pairs[0]]


def sorted_by_account(credentials: list[Credential]) -> list[Credential]:
    return sorted(credentials, key=lambda one: one.account_id)


def test_rotation_accepts_both_pairs_until_the_overlap_ends(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    ensure(services)
    old = services.webhooks.ensure_credential(ACCOUNT)

    assert was(rotate(services)) == "adopted"

    fresh = services.webhooks.ensure_credential(ACCOUNT)
    assert (fresh.login == old.login, fresh.password == old.password) == (False, False)
    assert_delivers_to_us(sandbox, services)
    assert accepted(services) == [fresh, old], "deliveries with the old one may be on their way"
    assert old.password not in str(rows(database_url, "SELECT * FROM hostaway.accounts"))
    rows(database_url, "UPDATE hostaway.accounts SET webhook_previous_until = now() RETURNING 1")
    assert accepted(services) == [fresh]


def test_rotation_without_a_webhook_registers_one(sandbox: SandboxServer, services: Services) -> None:
    rotate(services)
    assert_delivers_to_us(sandbox, services)


def test_a_rotation_that_did_not_reach_hostaway_locks_nobody_out(sandbox: SandboxServer, services: Services) -> None:
    """However often it fails, the credentials that Hostaway has are still accepted."""
    ensure(services)
    sandbox.faults.update(down=True)
    for _ in range(3):
        with pytest.raises(ApiError), services.interactive_client(ACCOUNT) as client:
            rotate_password(services, client)
    assert shown(sandbox) in [(pair.login, pair.password) for pair in accepted(services)]
    sandbox.faults.clear()
    rotate(services)
    assert_delivers_to_us(sandbox, services)


def test_a_second_rotation_first_completes_the_first(sandbox: SandboxServer, services: Services) -> None:
    """Only two pairs are kept: a third would lock out the webhook that still has the first."""
    ensure(services)
    services.webhooks.rotate(ACCOUNT, ROTATION_OVERLAP)  # as far as a rotation gets whose PUT failed
    first = services.webhooks.ensure_credential(ACCOUNT)
    sandbox.counters.reset()
    rotate(services)
    assert accepted(services)[1] == first
    assert sandbox.counters.calls()[f"PUT {HOOKS}/{{id}}"] == 2, "the first pair, and then the second"
    assert_delivers_to_us(sandbox, services)


def shown(sandbox: SandboxServer) -> tuple[str | None, str | None]:
    hook = at_hostaway(sandbox)[0]
    return hook.login, hook.password


# Removal


def test_removal_deletes_the_webhook_at_hostaway_and_here(sandbox: SandboxServer, services: Services) -> None:
    ensure(services)
    assert remove(services) is True
    assert at_hostaway(sandbox) == []
    state = services.webhooks.state(ACCOUNT)
    assert (state.webhook_id, state.is_enabled) == (None, None)
    assert remove(services) is False


def test_removal_of_an_already_deleted_webhook_succeeds(sandbox: SandboxServer, services: Services) -> None:
    ensure(services)
    hooks = sandbox.world.account(ACCOUNT).webhooks
    hooks.remove(hooks.all()[0].id)
    remove(services)
    assert services.webhooks.state(ACCOUNT).webhook_id is None


def test_removal_deletes_a_webhook_whose_creation_was_never_confirmed(
    sandbox: SandboxServer, services: Services
) -> None:
    by_hand(sandbox)
    assert remove(services) is True
    assert at_hostaway(sandbox) == []


# Failures


def test_the_next_attempt_repairs_a_failed_registration(sandbox: SandboxServer, services: Services) -> None:
    ensure(services)
    before = services.webhooks.state(ACCOUNT)
    hooks = sandbox.world.account(ACCOUNT).webhooks
    hooks.remove(hooks.all()[0].id)
    sandbox.faults.update(down=True)
    with services.interactive_client(ACCOUNT) as client:
        problem = try_webhook(services, client)
    assert problem is not None
    assert "HTTP 503" in problem
    assert services.webhooks.state(ACCOUNT) == before, "what is stored says what was true before"
    sandbox.faults.clear()
    assert was(ensure(services)) == "created"
    assert_delivers_to_us(sandbox, services)


def test_a_webhook_whose_creation_was_unclear_is_adopted_at_the_next_attempt(
    sandbox: SandboxServer, services: Services
) -> None:
    """The POST took effect but its answer broke off, so it is not sent again."""
    with services.interactive_client(ACCOUNT) as client:
        client.page("/webhooks/unifiedWebhooks", {})
        sandbox.faults.update(cut_share=1.0)
        wanted = services.webhooks.ensure_credential(ACCOUNT)
        wish = {"isEnabled": 1, "url": URL, "login": wanted.login, "password": wanted.password}
        with pytest.raises(TransientApiError):
            client.write("POST", "/webhooks/unifiedWebhooks", wish)
    sandbox.faults.clear()
    assert len(at_hostaway(sandbox)) == 1
    assert was(ensure(services)) == "adopted"
    assert_delivers_to_us(sandbox, services)
    assert sandbox.counters.calls()[f"POST {HOOKS}"] == 1
