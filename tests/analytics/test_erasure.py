"""Guests who were erased are nowhere any more, and nothing brings them back; the figures and the others stay."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.store.suppression_file import FILE
from hostaway_pipeline.sync.erasure import GuestRequest, erase_guest, find_guest
from hostaway_pipeline.sync.push.drain import drain
from tests.analytics.accounts import Accounts, opened
from tests.analytics.conftest import Models, contents
from tests.factories import rows

ONE, OTHER = 59808, 60001
# In all that names the guests; nobody else has them.
MARKS = ("Zoraida", "zoraida", "Quimby", "quimby", "5550199", "555 0199", "QX77-ZZ81")
EMAIL, PHONE = "zoraida.quimby@mail.example", "+49 171 555 0199"
TABLES = "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname !~ '^(pg_|information)'"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def accounts(new_database: Callable[[], str], home: Path) -> Iterator[Accounts]:
    with opened(new_database(), f"{ONE}:3:40", f"{OTHER}:1:6", seed=31, home=home) as accounts:
        yield accounts


def plant(account: Account) -> list[int]:
    """A guest with three bookings: two share the address, the third the telephone number; returns their ids."""
    first, second, third = list(account.reservations)[:3]
    guest = {"guestName": "Zoraida Quimby", "guestFirstName": "Zoraida", "confirmationCode": "QX77-ZZ81"}
    account.update_reservation(first, **guest, guestEmail=EMAIL, phone=PHONE, hostNote="Zoraida comes late")
    account.update_reservation(second, **guest, guestEmail=f" {EMAIL.upper()}", phone=None)
    account.update_reservation(third, **guest, guestEmail=None, phone=PHONE, comment="Quimby again")
    for reservation_id in (first, second, third):
        thread = account.add_conversation(reservation_id, "Zoraida Quimby")
        account.add_message(thread["id"], "Hello, I am Zoraida")
        account.add_message(thread["id"], "Welcome, Mrs Quimby", is_incoming=False)
    return [first, second, third]


def deliver(accounts: Accounts, account: Account, ids: list[int]) -> None:
    """Their webhooks, and those of somebody else; and an event that is not applied."""
    bodies = [("reservation.updated", "reservation", account.reservations[i].payload()) for i in ids]
    threads = [thread for i in ids for thread in account.threads_of(i)]
    bodies += [
        ("message.received", "conversationMessage", message.payload()) for one in threads for message in one.messages
    ]
    bodies.append(("task.created", "task", {"id": 1, "title": "Clean for Zoraida Quimby"}))
    for event, kind, payload in bodies:
        body = {"object": kind, "event": event, "accountId": account.id, "data": payload}
        accounts.services.inbox.accept([(parse_delivery(body), "request")])
    drain(accounts.services, lambda _: None, linger=0)


def hits(url: str, *folders: Path) -> list[str]:
    """Places that hold a mark, in a text dump of the database and in files."""
    found = []
    with psycopg.connect(url) as connection:
        for (name,) in connection.execute(TABLES.encode()).fetchall():
            with connection.cursor().copy(f"COPY {name} TO STDOUT".encode()) as copy:
                text = b"".join(copy).decode()
            found += [f"{name}: {mark}" for mark in MARKS if mark in text]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return found + [f"{path}: {mark}" for path in files for mark in MARKS if mark.encode() in path.read_bytes()]


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
    services, account, models = accounts.services, accounts.all[ONE], Models(accounts.url, target)
    ids = plant(account)
    for account_id in (ONE, OTHER):
        accounts.sync(account_id, mode="full")
    deliver(accounts, account, ids)
    thread = account.threads_of(ids[0])[0].id
    services.outbox.add("key", account_id=ONE, reservation_id=ids[0], conversation_id=thread, body="Dear Zoraida",
                        communication_type="email")  # fmt: skip
    models.build()
    assert {place.split(":")[0] for place in hits(accounts.url)} >= {
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
    assert hits(accounts.url, target, home) == [], "before any build"
    assert not any(erase_guest(services, request)[ONE].values()), "nothing is left to do"
    models.build()
    assert figures(models) == before
    account.update_reservation(ids[0], hostNote="Zoraida came", numberOfGuests=3)
    accounts.sync(ONE, mode="full")
    deliver(accounts, account, ids)
    models.build("--full-refresh")
    assert hits(accounts.url, target, home) == []
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
    assert hits(accounts.url) == []
    assert accounts.services.erasure.repeat() == 0, "nothing is left to do"
