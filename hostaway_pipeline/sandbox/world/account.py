"""One account's objects in memory and every way they change. Paging: world/pages.py; responses: api/routes.py."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from threading import RLock
from typing import Any

from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.deliveries.webhooks import Event, Webhooks
from hostaway_pipeline.sandbox.lookup import NotFound, find
from hostaway_pipeline.sandbox.templates import Payload
from hostaway_pipeline.sandbox.world import generate, generate_conversations
from hostaway_pipeline.sandbox.world.bookings import Booking
from hostaway_pipeline.sandbox.world.finance import Price
from hostaway_pipeline.sandbox.world.new_booking import new_booking
from hostaway_pipeline.sandbox.world.nights import Nights
from hostaway_pipeline.sandbox.world.objects import Conversation, Message, Row, sign
from hostaway_pipeline.sandbox.world.order import UpdatedOrder
from hostaway_pipeline.sandbox.world.stamps import Clock
from hostaway_pipeline.sandbox.world.trails import Trails


class Account:
    """Thread-safe; hold `lock` to read more than one thing. Unknown ids raise NotFound."""

    def __init__(self, config: SandboxConfig, spec: SandboxAccount, clock: Clock) -> None:
        self.id = spec.account_id
        self.secret = spec.secret
        self.lock = RLock()
        self.clock = clock
        portfolio = generate.portfolio(config, spec)
        self.listings = portfolio.listings
        self.reservations = portfolio.reservations
        self.nights = Nights(portfolio.homes, portfolio.blocks, self.reservations.values())
        self.today = date.fromisoformat(config.today)
        self.conversations = generate_conversations.conversations(config, spec, self.reservations)
        self.order = UpdatedOrder((row.own["updatedOn"], key) for key, row in self.reservations.items())
        self.locked_reservations: set[int] = set()
        """Ids that Hostaway answers with 403, whatever the token."""
        self.webhooks = Webhooks()
        self.on_event: Callable[[Webhooks, Event], None] | None = None
        """Called with every event at once and under the lock; set by the sandbox that serves this account."""
        self._removed_listings: dict[int, Row] = {}
        self._removed: dict[int, Booking] = {}
        self._threads: defaultdict[int, list[Conversation]] = defaultdict(list)
        for conversation in self.conversations.values():
            if conversation.reservation_id is not None:
                self._threads[conversation.reservation_id].append(conversation)
        self.trails = Trails(f"{config.seed} {spec.account_id}", self.nights)
        self._id_offset = config.id_offset
        messages = sum(len(conversation.messages) for conversation in self.conversations.values())
        self._counts = {"listings": spec.listings, "reservations": spec.reservations}
        self._counts |= {"conversations": len(self.conversations), "messages": messages}

    def threads_of(self, reservation_id: int) -> list[Conversation]:
        """The conversations of a reservation; empty for an unknown one."""
        return self._threads.get(reservation_id, [])

    def message(self, conversation_id: int, message_id: int) -> Message:
        for message in find(self.conversations, conversation_id).messages:
            if message.id == message_id:
                return message
        raise NotFound(message_id)

    def truth(self, kind: str) -> Iterator[Payload]:
        """Every object of an entity as a sweep must find it; attachment URLs have no signature."""
        match kind:
            case "listings":
                yield from (row.payload() for row in self.listings.values())
            case "reservations":
                yield from (row.payload() for row in self.reservations.values())
            case "conversations":
                yield from (conversation.payload() for conversation in self.conversations.values())
            case "messages":
                for conversation in self.conversations.values():
                    yield from (message.payload() for message in conversation.visible())
            case _:
                raise NotFound(kind)

    def update_reservation(self, reservation_id: int, **changes: Any) -> Payload:
        """Change some keys; moves `updatedOn` but not `latestActivityOn`."""
        with self.lock:
            return self.emit("reservation.updated", "reservation", self._update(reservation_id, changes).payload())

    def touch_reservation(self, reservation_id: int, *, price: Price | None = None, **changes: Any) -> Payload:
        """Move `updatedOn` and `latestActivityOn`; most updates change nothing else. `price` rewrites finance lines."""
        with self.lock:
            row = self._update(reservation_id, changes, price)
            row.own["latestActivityOn"] = row.own["updatedOn"]
            return self.emit("reservation.updated", "reservation", row.payload())

    def add_reservation(self, **fields: Any) -> Payload:
        """Add a direct booking on free nights of a listing that is not archived; `fields` override its keys."""
        with self.lock:
            reservation_id = self._next_id("reservations")
            now, open_ids = self.clock.after(), [key for key, row in self.listings.items() if is_open(row)]
            booking = new_booking(
                self.nights, open_ids, fields, account_id=self.id, reservation_id=reservation_id, now=now
            )
            own = booking.own
            self.reservations[own["id"]] = booking
            self.nights.add(booking)
            self.order.add((own["updatedOn"], own["id"]))
            self.trails.record_new(booking.payload())
            return self.emit("reservation.created", "reservation", booking.payload())

    def delete_reservation(self, reservation_id: int) -> None:
        """Delete a reservation; its conversations stay."""
        with self.lock:
            row = self._removed[reservation_id] = find(self.reservations, reservation_id)
            del self.reservations[reservation_id]
            self.order.remove((row.own["updatedOn"], reservation_id))
            self.trails.record_deletion(row, self.clock.after(), is_deleted=True)

    def restore_reservation(self, reservation_id: int) -> None:
        with self.lock:
            row = self.reservations[reservation_id] = find(self._removed, reservation_id)
            del self._removed[reservation_id]
            self.order.add((row.own["updatedOn"], reservation_id))
            self.trails.record_deletion(row, self.clock.after(), is_deleted=False)

    def pass_days(self, days: int) -> None:
        """Advance the account's day: unspecified dates follow as yesterday, and `updatedOn` does not move."""
        with self.lock:
            self.today += timedelta(days)
            yesterday = (self.today - timedelta(1)).isoformat()
            for row in self.reservations.values():
                if row.own.get("isDatesUnspecified"):
                    row.own |= {"arrivalDate": yesterday, "departureDate": yesterday}

    def update_listing(self, listing_id: int, **changes: Any) -> Payload:
        """Change some keys and move `latestActivityOn`; listings have no `updatedOn`."""
        with self.lock:
            row = find(self.listings, listing_id)
            row.own |= {"latestActivityOn": self.clock.after(row.own["latestActivityOn"])} | changes
            return row.payload()

    def delete_listing(self, listing_id: int) -> None:
        with self.lock:
            self._removed_listings[listing_id] = find(self.listings, listing_id)
            del self.listings[listing_id]

    def restore_listing(self, listing_id: int) -> None:
        """Bring a deleted listing back as it was."""
        with self.lock:
            self.listings[listing_id] = find(self._removed_listings, listing_id)
            del self._removed_listings[listing_id]

    def add_conversation(self, reservation_id: int | None = None, recipient: str = "New Guest") -> Payload:
        """Add a conversation without messages: both markers are null."""
        with self.lock:
            listing_id = None
            if reservation_id is not None:
                listing_id = find(self.reservations, reservation_id).own["listingMapId"]
            new_id = self._next_id("conversations")
            conversation = Conversation(new_id, self.id, listing_id, reservation_id, recipient)
            self.conversations[new_id] = conversation
            if reservation_id is not None:
                self._threads[reservation_id].append(conversation)
            return conversation.payload()

    def delete_conversation(self, conversation_id: int) -> None:
        """Delete a conversation and its messages."""
        with self.lock:
            conversation = find(self.conversations, conversation_id)
            del self.conversations[conversation_id]
            if conversation.reservation_id is not None:
                self._threads[conversation.reservation_id].remove(conversation)

    def add_message(
        self,
        conversation_id: int,
        body: str,
        is_incoming: bool = True,
        *,
        status: str = "sent",
        communication_type: str = "email",
        sent_using_hostaway: bool = False,
        attachments: list[Payload] | None = None,
    ) -> Payload:
        """Add a message; a sent one moves its conversation's marker past the earlier one."""
        with self.lock:
            conversation = find(self.conversations, conversation_id)
            date = self.clock.after(max(filter(None, (conversation.sent_on, conversation.received_on)), default=None))
            message = Message(
                self._next_id("messages"),
                conversation,
                body,
                is_incoming,
                status,
                date,
                date,
                communication_type,
                sent_using_hostaway,
                attachments,
            )
            conversation.messages.insert(message.id % (len(conversation.messages) + 1), message)
            if status == "sent":
                conversation.move_marker(is_incoming, date)
                if is_incoming:
                    self.emit("message.received", "conversationMessage", message.payload(sign))
            return message.payload()

    def edit_message(self, conversation_id: int, message_id: int, body: str) -> Payload:
        """Edit a message without moving a marker: only reading the conversation again shows it."""
        with self.lock:
            message = self.message(conversation_id, message_id)
            message.body = body
            message.updated_on = self.clock.after(message.updated_on)
            return message.payload()

    def delete_message(self, conversation_id: int, message_id: int, *, markers_fall: bool = False) -> None:
        """Delete a message. Markers stay, or with `markers_fall` fall back to the newest messages that are left."""
        with self.lock:
            conversation = self.conversations[conversation_id]
            conversation.messages.remove(self.message(conversation_id, message_id))
            if markers_fall:
                conversation.sent_on = conversation.received_on = None
                for message in sorted(conversation.visible(), key=lambda message: message.date):
                    conversation.move_marker(message.is_incoming, message.date)

    def emit(self, event: str, kind: str, payload: Payload) -> Payload:
        """Deliver an event with the object as it is now; returns the object."""
        if self.on_event:
            self.on_event(self.webhooks, Event(event, kind, self.id, payload))
        return payload

    def _update(self, reservation_id: int, changes: Payload, price: Price | None = None) -> Booking:
        row = find(self.reservations, reservation_id)
        before, drawn = row.payload(), row.price
        self.order.remove((row.own["updatedOn"], reservation_id))
        self.nights.remove(row)
        now = self.clock.after(row.own["updatedOn"])
        row.own |= {"updatedOn": now} | changes
        if price:
            row.price = price
            row.own.pop("financeField", None)
        self.nights.add(row)
        self.order.add((row.own["updatedOn"], reservation_id))
        self.trails.record(before, drawn, row.payload(), changes.get("updatedOn") or now)
        return row

    def _next_id(self, kind: str) -> int:
        self._counts[kind] += 1
        return generate.object_id(kind, self._counts[kind] - 1, self._id_offset)


def is_open(listing: Row) -> bool:
    return listing.own["specialStatus"] is None
