"""Generates the conversations and messages of an account, the same for the same seed and spec.

There are slightly fewer conversations than reservations: a reservation has none, one or several, and some conversations
have no reservation.
"""

from math import ceil
from random import Random

from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.templates import UNSENT_STATUSES, Payload
from hostaway_pipeline.sandbox.world.bookings import Booking
from hostaway_pipeline.sandbox.world.correspondence import DAY, Subject, moments
from hostaway_pipeline.sandbox.world.generate import account_rng, object_id
from hostaway_pipeline.sandbox.world.market import SOLD
from hostaway_pipeline.sandbox.world.objects import Automation, Conversation, Message
from hostaway_pipeline.sandbox.world.stamps import seconds_of, stamp
from hostaway_pipeline.sandbox.world.texts import AUTOMATED_TEXTS, GUESTS, message_texts

LONG_THREAD = 130
"""Messages in the longest conversation: more than a page holds."""

CHANNELS = ("email", "channel", "sms", "whatsapp")
ARRIVAL_HOUR = 15
LENGTHS = (1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 9, 12)


class ThreadWriter:
    """Fills conversations with messages; ids are unique in the account and not in order of time."""

    def __init__(self, rng: Random, *, today: int, id_offset: int) -> None:
        self._rng = rng
        self._today = today
        self._id_offset = id_offset
        self._texts = message_texts(rng)
        self._index = 0

    def fill(self, conversation: Conversation, size: int, subject: Subject) -> None:
        """Add `size` sent messages, sometimes unsent ones as well, and set the markers accordingly."""
        rng, today = self._rng, self._today
        sent_at = received_at = 0
        for at, is_incoming, automation in moments(rng, subject, size, today):
            self._append(conversation, is_incoming, "sent", stamp(at), automation)
            if is_incoming:
                received_at = max(received_at, at)
            else:
                sent_at = max(sent_at, at)
        conversation.sent_on = stamp(sent_at) if sent_at else None
        conversation.received_on = stamp(received_at) if received_at else None
        if size and rng.random() < 0.15:
            for status in rng.sample(UNSENT_STATUSES, 1 + size % 2):
                self._append(conversation, False, status, stamp(today + int(rng.random() * 60 * DAY)))
        self._shuffle(conversation)

    def subject_of(self, own: Payload) -> Subject:
        """When a reservation's conversation begins, and its booking if it is sold."""
        begun_at = seconds_of(own["insertedOn"])
        if own["status"] not in SOLD:
            return Subject(begun_at)
        booked_at = seconds_of(own["reservationDate"] or own["insertedOn"])
        return Subject(begun_at, booked_at, seconds_of(own["arrivalDate"]) + ARRIVAL_HOUR * 3600)

    def enquiry(self) -> Subject:
        """When an enquiry without a reservation begins."""
        return Subject(self._today - 2 * DAY - int(self._rng.random() * 600 * DAY))

    def _append(
        self,
        conversation: Conversation,
        is_incoming: bool,
        status: str,
        date: str,
        automation: Automation | None = None,
    ) -> None:
        rng, index = self._rng, self._index
        self._index += 1
        written = self._texts[int(rng.random() * len(self._texts))]
        body = AUTOMATED_TEXTS[automation.event] if automation else written
        # Guests do repeat each other, but most bodies of an account differ.
        if index % 4 and len(body) < 200:
            body = f"{body} ({index})"
        message = Message(
            id=object_id("messages", index, self._id_offset),
            conversation=conversation,
            body=body,
            is_incoming=is_incoming,
            status=status,
            date=date,
            updated_on=date if status == "sent" else stamp(self._today - index % DAY),
            communication_type=CHANNELS[index % 4],
            sent_using_hostaway=automation is not None or (not is_incoming and index % 3 == 0),
            automation=automation,
        )
        if index % 31 == 0:
            message.attachments = [attachment(message, is_public=index % 2)]
        conversation.messages.append(message)

    def _shuffle(self, conversation: Conversation) -> None:
        """Shuffle the messages: neither the list nor the ids are in order of time."""
        self._rng.shuffle(conversation.messages)


def attachment(message: Message, *, is_public: int) -> Payload:
    folder = "public" if is_public else "private"
    return {
        "id": message.id * 2,
        "accountId": message.conversation.account_id,
        "listingMapId": None,
        "reservationId": message.conversation.reservation_id,
        "taskId": None,
        "name": "entrance 🚪.jpeg",
        "url": f"https://attachments.example.com/{folder}/{message.id}.jpeg",
        "isPublic": is_public,
        "communicationId": None,
        "conversationMessageId": message.id,
        "extension": "jpeg",
        "mimeType": "image/jpeg",
        "isImage": None,
    }


def conversations(
    config: SandboxConfig, account: SandboxAccount, reservations: dict[int, Booking]
) -> dict[int, Conversation]:
    """Conversations by id, in the order of the list."""
    rng = account_rng(config, account, "conversations")
    writer = ThreadWriter(rng, today=seconds_of(config.today), id_offset=config.id_offset)
    generated: list[Conversation] = []
    for index, reservation_id in enumerate(subjects(rng, list(reservations))):
        own = reservations[reservation_id].own if reservation_id else {}
        conversation = Conversation(
            id=object_id("conversations", index, config.id_offset),
            account_id=account.account_id,
            listing_id=own.get("listingMapId"),
            reservation_id=reservation_id,
            recipient=own.get("guestName") or GUESTS[index % len(GUESTS)],
        )
        size = thread_length(rng, index, account.reservations)
        writer.fill(conversation, size, writer.subject_of(own) if own else writer.enquiry())
        generated.append(conversation)
    rng.shuffle(generated)
    # Tests take the first conversation for any: like most it has several messages.
    several = (place for place, conversation in enumerate(generated) if len(conversation.visible()) > 1)
    if (place := next(several, None)) is not None:
        generated[0], generated[place] = generated[place], generated[0]
    return {conversation.id: conversation for conversation in generated}


def thread_length(rng: Random, index: int, reservations: int) -> int:
    """Mostly 1 to 12 messages; every 97th conversation has none, and every 5000th more than a page."""
    if index % 5000 == 0 and reservations >= 200:
        return LONG_THREAD
    if index % 97 == 4:
        return 0
    return LENGTHS[int(rng.random() * len(LENGTHS))]


def subjects(rng: Random, reservation_ids: list[int]) -> list[int | None]:
    """The reservation of each conversation (a few have two or three), or None for an enquiry."""
    total = conversation_count(len(reservation_ids))
    enquiries = max(1, total * 3 // 100) if total >= 5 else 0
    about = total - enquiries
    rng.shuffle(reservation_ids)
    busy = reservation_ids[: len(reservation_ids) // 25]
    extra = [reservation_id for place, reservation_id in enumerate(busy) for _ in range(1 + place % 2)]
    chosen: list[int | None] = [None] * enquiries
    chosen += [*extra, *reservation_ids][:about]
    rng.shuffle(chosen)
    return chosen


def conversation_count(reservations: int) -> int:
    """Between 98.5% of the reservations and all of them."""
    return max(ceil(reservations * 0.985), reservations * 993 // 1000)
