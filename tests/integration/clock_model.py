"""A model of a hostile Hostaway: edits under a clock that jumps, deliveries that come late, twice and out of order,
pages that are merged long after they were asked for, deletions and returns.

`test_clock_model.py` runs some hundreds of steps, the benchmark ten thousand.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.domain.entities import CONVERSATIONS, ENTITIES, LISTINGS, RESERVATIONS, Entity, Row
from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.sync.push.drain import drain
from tests.factories import expected, stored, sync

MOST_SKEW = 7200.0
MOST_OBJECTS = 40


@dataclass
class Model:
    """`step` does one random thing. The steps of one seed are always the same, but for what threads make of them."""

    services: Services
    sandbox: SandboxServer
    account_id: int
    client: HostawayClient
    tables: PullWriter
    random: Random
    waiting: list[dict[str, Any]] = field(default_factory=list)  # deliveries on their way
    pages: list[tuple[Entity, list[Row]]] = field(default_factory=list)  # asked for, and not merged yet
    gone: dict[str, list[int]] = field(default_factory=lambda: {"reservation": [], "listing": []})
    done: dict[str, int] = field(default_factory=dict)

    @property
    def account(self) -> Account:
        return self.sandbox.world.account(self.account_id)

    def step(self) -> None:
        choices: list[tuple[int, Callable[[], object]]] = [
            (20, self.edit_reservation),
            (8, self.edit_listing),
            (10, self.add_message),
            (4, self.edit_message),
            (3, self.delete_newest_message),
            (3, self.delete_or_restore_reservation),
            (2, self.delete_or_restore_listing),
            (2, self.add_or_delete_conversation),
            (22, self.deliver),
            (12, self.apply),
            (8, self.ask_for_page),
            (8, self.merge_page),
            (1, self.refresh),
        ]
        action = self.random.choices([one for _, one in choices], [weight for weight, _ in choices])[0]
        self.sandbox.faults.clock_skew = self.random.uniform(-MOST_SKEW, MOST_SKEW)
        action()
        self.done[action.__name__] = self.done.get(action.__name__, 0) + 1

    # Hostaway

    def edit_reservation(self) -> None:
        if self.account.reservations:
            key = self.random.choice(list(self.account.reservations))
            name = self.random.choice("ABC")
            self.tell("reservation.updated", self.account.update_reservation(key, guestName=name))

    def edit_listing(self) -> None:
        if self.account.listings:
            key = self.random.choice(list(self.account.listings))
            self.tell("listing.updated", self.account.update_listing(key, name=self.random.choice("ABC")))

    def add_message(self) -> None:
        if self.account.conversations:
            key = self.random.choice(list(self.account.conversations))
            self.tell("message.received", self.account.add_message(key, self.random.choice("ABC")))

    def edit_message(self) -> None:
        """No marker moves: only the daily reread finds such an edit."""
        threads = [thread for thread in self.account.conversations.values() if thread.visible()]
        if threads:
            thread = self.random.choice(threads)
            message = self.random.choice(thread.visible())
            payload = self.account.edit_message(thread.id, message.id, self.random.choice("ABC"))
            self.tell("message.received", payload, is_certain=True)

    def delete_newest_message(self) -> None:
        threads = [thread for thread in self.account.conversations.values() if len(thread.visible()) > 1]
        if threads:
            thread = self.random.choice(threads)
            newest = thread.latest()
            assert newest is not None
            self.account.delete_message(thread.id, newest.id, markers_fall=True)
            self.tell("message.received", newest.payload(), is_certain=True)

    def delete_or_restore_reservation(self) -> None:
        self._delete_or_restore(self.account.reservations, "reservation", 9)

    def delete_or_restore_listing(self) -> None:
        self._delete_or_restore(self.account.listings, "listing", 2)

    def _delete_or_restore(self, alive: dict[int, Any], kind: str, least: int) -> None:
        gone = self.gone[kind]
        if gone and self.random.random() < 0.5:
            key = self.random.choice(gone)
            getattr(self.account, f"restore_{kind}")(key)
            gone.remove(key)
        elif len(alive) > least:
            key = self.random.choice(list(alive))
            getattr(self.account, f"delete_{kind}")(key)
            gone.append(key)

    def add_or_delete_conversation(self) -> None:
        if len(self.account.conversations) > MOST_OBJECTS or self.random.random() < 0.4:
            self.account.delete_conversation(self.random.choice(list(self.account.conversations)))
        else:
            self.account.add_conversation(self.random.choice([None, *self.account.reservations]))

    # Between Hostaway and us

    def tell(self, event: str, payload: dict[str, Any], *, is_certain: bool = False) -> None:
        """Some deliveries are lost, others come several times."""
        kind = "conversationMessage" if event.startswith("message.") else event.partition(".")[0]
        body = {"object": kind, "event": event, "accountId": self.account_id, "data": payload}
        self.waiting += [body] * self.random.choice([1, 1, 2] if is_certain else [0, 1, 1, 2])

    def deliver(self) -> None:
        if self.waiting:
            body = self.waiting.pop(self.random.randrange(len(self.waiting)))
            self.services.inbox.accept([(parse_delivery(body), "model")])

    def apply(self) -> None:
        drain(self.services, lambda _: None, linger=0)

    def ask_for_page(self) -> None:
        entity = self.random.choice([LISTINGS, RESERVATIONS, CONVERSATIONS])
        page = self.client.page(f"/{entity.name}", {"limit": 10, "offset": self.random.choice([0, 0, 10])})
        made = [row for payload in page.rows if (row := entity.row(payload, page.read_at)) is not None]
        self.pages.append((entity, made))

    def merge_page(self) -> None:
        if self.pages:
            entity, page = self.pages.pop(self.random.randrange(len(self.pages)))
            self.tables.merge(entity, page)

    def refresh(self) -> None:
        sync(self.services, self.account_id, mode="refresh", allow_mass_delete=True)

    def finish(self) -> None:
        """Deliver every outstanding delivery and merge every outstanding page."""
        while self.waiting:
            self.deliver()
        while self.pages:
            self.merge_page()
        self.apply()


def differences(services: Services, url: str, sandbox: SandboxServer, account_id: int) -> list[str]:
    """Return the objects that differ between the tables and the sandbox."""
    found = []
    for entity in ENTITIES:
        here = {key: value[0] for key, value in stored(url, account_id, entity).items()}
        there = {key: value[0] for key, value in expected(sandbox, account_id, entity).items()}
        found += [f"{entity} {key}" for key in here.keys() | there.keys() if here.get(key) != there.get(key)]
    return found
