"""Guests who were erased are nowhere any more, and nothing brings them back; the figures and the others stay."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hostaway_pipeline.store.suppression_file import FILE
from hostaway_pipeline.sync.erasure import GuestRequest, erase_guest, find_guest
from hostaway_pipeline.sync.push.drain import drain
from tests.analytics.accounts import Accounts, opened
from tests.analytics.conftest import Models, contents
from tests.factories import rows
from tests.planted_guest import EMAIL, MARKS, deliver_webhooks, find_marks, plant_guest

ONE, OTHER = 59808, 60001


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def accounts(new_database: Callable[[], str], home: Path) -> Iterator[Accounts]:
    with opened(new_database(), f"{ONE}:3:40", f"{OTHER}:1:6", seed=31, home=home) as accounts:
        yield accounts


def figures(models: Models) -> dict[str, list[str]]:
    """All tables that hold no guest, without the times at which rows changed."""
    names = [name for name in contents(models) if name.startswith("marts.")]
    found = {name: sorted(map(str, models.records(f"SELECT * FROM {name}"))) for name in names}
    return {name: [text.split("'changed_at'")[0] for text in own] for name, own in found.items()}


def others(url: str, ids: list[int]) -> list[dict[str, Any]]:
    return rows(url, "SELECT * FROM hostaway.reservations WHERE NOT id = ANY(%s) ORDER BY account_id, id", ids)


def test_erased_guests_are_nowhere_and_do_not_come_back(
    accounts: Accounts, home: Path, target: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    services, account = accounts.services, accounts.all[ONE]
    models = Models(accounts.url, target, options=())  # with all that dbt can tell of a run
    ids = plant_guest(account)
    for account_id in (ONE, OTHER):
        accounts.sync(account_id, mode="full")
    deliver_webhooks(services, account, ids)
    drain(services, lambda _: None, linger=0)
    thread = account.threads_of(ids[0])[0].id
    services.outbox.add("key", account_id=ONE, reservation_id=ids[0], conversation_id=thread, body="Dear Zoraida",
                        communication_type="email")  # fmt: skip
    models.build()
    assert {place.split(":")[0] for place in find_marks(accounts.url)} >= {
        "hostaway.reservations", "hostaway.conversations", "hostaway.messages", "hostaway.webhook_events",
        "hostaway.outbound_messages", "hostaway.guests", "pii.guest_identity", "pii.message_body",
    }  # fmt: skip
    before, untouched = figures(models), others(accounts.url, ids)
    request = GuestRequest(reservation_id=ids[0], account_id=ONE)
    (found,) = find_guest(services, request)
    assert set(found.reservations) == set(ids)
    erased = erase_guest(services, request)
    assert erased[ONE] == {
        "reservations": 3, "conversations": len(found.conversations), "messages": len(found.messages),
        "outbound_messages": 1, "webhook_events": len(found.webhook_events), "guests": len(found.guests),
    }  # fmt: skip
    assert len(found.conversations) >= 3
    assert len(found.messages) >= 6
    assert find_marks(accounts.url, target, home) == [], "before any build"
    assert not any(erase_guest(services, request)[ONE].values()), "nothing is left to do"
    models.build()
    assert figures(models) == before
    account.update_reservation(ids[0], hostNote="Zoraida came", numberOfGuests=3)
    accounts.sync(ONE, mode="full")
    deliver_webhooks(services, account, ids)
    drain(services, lambda _: None, linger=0)
    models.build("--full-refresh")
    assert find_marks(accounts.url, target, home) == []
    assert figures(models) == before
    assert others(accounts.url, ids) == untouched
    shown = capfd.readouterr()
    assert not [mark for mark in MARKS if mark in shown.out + shown.err]


def test_a_restored_backup_brings_nobody_back(accounts: Accounts, home: Path) -> None:
    """What the database has lost of the list is in the file; the restored rows lose their guest again."""
    assert (home / FILE).stat().st_mode & 0o777 == 0o600
    first = next(iter(accounts.all[ONE].reservations))
    rows(accounts.url, "DELETE FROM hostaway.suppressed_guests RETURNING 1")
    rows(accounts.url, "UPDATE hostaway.reservations SET guest_name = 'Zoraida Quimby', guest_email = %s, "
         "raw_payload = raw_payload || jsonb_build_object('guestEmail', %s::text, 'guestNote', 'Zoraida') "
         "WHERE account_id = %s AND id = %s RETURNING 1", EMAIL, EMAIL, ONE, first)  # fmt: skip
    accounts.services.check()
    assert find_marks(accounts.url) == []
    assert accounts.services.erasure.repeat() == 0, "nothing is left to do"
