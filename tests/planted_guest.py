"""A guest in every place that knows one: plants them at the sandbox, sends webhooks, and looks for what is left."""

from pathlib import Path

import psycopg

from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services

# In all that names the guests; nobody else has them.
MARKS = ("Zoraida", "zoraida", "Quimby", "quimby", "5550199", "555 0199", "QX77-ZZ81")
EMAIL, PHONE = "zoraida.quimby@mail.example", "+49 171 555 0199"
TABLES = "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname !~ '^(pg_|information)'"


def plant_guest(account: Account) -> list[int]:
    """A guest with three bookings: two share the address, the third the telephone number; returns their ids."""
    first, second, third = list(account.reservations)[:3]
    guest = {"guestName": "Zoraida Quimby", "guestFirstName": "Zoraida", "confirmationCode": "QX77-ZZ81"}
    account.update_reservation(first, **guest, guestEmail=EMAIL, phone=PHONE, hostNote="Zoraida comes late")
    account.update_reservation(second, **guest, guestEmail=f" {EMAIL.upper()}", phone=None)
    account.update_reservation(
        third, **guest, guestEmail=None, phone=PHONE, comment="Quimby again", numberOfGuests="Quimby, party of 2"
    )
    for reservation_id in (first, second, third):
        thread = account.add_conversation(reservation_id, "Zoraida Quimby")
        account.add_message(thread["id"], "Hello, I am Zoraida")
        account.add_message(thread["id"], "Welcome, Mrs Quimby", is_incoming=False)
    return [first, second, third]


def deliver_webhooks(services: Services, account: Account, ids: list[int]) -> None:
    """Those of the guest's bookings and messages, and an event that is not applied."""
    bodies = [("reservation.updated", "reservation", account.reservations[i].payload()) for i in ids]
    threads = [thread for i in ids for thread in account.threads_of(i)]
    bodies += [
        ("message.received", "conversationMessage", message.payload()) for one in threads for message in one.messages
    ]
    bodies.append(("task.created", "task", {"id": 1, "title": "Clean for Zoraida Quimby"}))
    for event, kind, payload in bodies:
        body = {"object": kind, "event": event, "accountId": account.id, "data": payload}
        services.inbox.accept([(parse_delivery(body), "request")])


def find_marks(url: str, *folders: Path) -> list[str]:
    """Places that hold a mark, in a text dump of the database and in files."""
    found = []
    with psycopg.connect(url) as connection:
        for (name,) in connection.execute(TABLES.encode()).fetchall():
            with connection.cursor().copy(f"COPY {name} TO STDOUT".encode()) as copy:
                text = b"".join(copy).decode()
            found += [f"{name}: {mark}" for mark in MARKS if mark in text]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return found + [f"{path}: {mark}" for path in files for mark in MARKS if mark.encode() in path.read_bytes()]
