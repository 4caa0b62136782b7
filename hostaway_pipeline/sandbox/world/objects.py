"""Listings, reservations, conversations and messages in memory, and the JSON objects they become.

Rows share templates and keep only the keys that differ, so that 100,000 reservations fit in memory.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from hostaway_pipeline.sandbox.templates import CONVERSATION, MESSAGE, Payload

Sign = Callable[[str], str]
"""Turns the stored URL of a private attachment into one that is valid for 7 days."""

SCATTER = 0x9E3779B97F4A7C15F39CC0605CEDC835


@dataclass(slots=True)
class Row:
    """A listing or reservation: a shared template, overlaid with the row's own keys."""

    template: Payload
    own: Payload

    def payload(self, without: tuple[str, ...] = ()) -> Payload:
        whole = {**self.template, **self.own}
        for key in without:
            whole.pop(key, None)
        return whole


@dataclass(slots=True, eq=False)
class Conversation:
    """A conversation; `messages` is in the order in which Hostaway returns them, which is not by time."""

    id: int
    account_id: int
    listing_id: int | None
    reservation_id: int | None
    recipient: str | None
    sent_on: str | None = None
    received_on: str | None = None
    messages: list["Message"] = field(default_factory=list)

    def visible(self) -> list["Message"]:
        """The sent messages; the others show only with includeScheduledMessages=1."""
        return [message for message in self.messages if message.status == "sent"]

    def latest(self) -> "Message | None":
        return max(self.visible(), key=lambda message: (message.date, message.id), default=None)

    def move_marker(self, is_incoming: bool, date: str) -> None:
        if is_incoming:
            self.received_on = date
        else:
            self.sent_on = date

    def payload(self) -> Payload:
        """The object without `conversationMessages` and `Reservation`, which includeResources=1 adds."""
        return {
            "id": self.id,
            "accountId": self.account_id,
            "listingMapId": self.listing_id,
            "reservationId": self.reservation_id,
            **CONVERSATION,
            "recipientName": self.recipient,
            "recipientEmail": f"guest{self.id}@example.com",
            "hostEmail": f"c-{self.id:x}@host.hostaway.example",
            "guestEmail": f"c-{self.id:x}@guest.hostaway.example",
            "messageSentOn": self.sent_on,
            "messageReceivedOn": self.received_on,
        }


class Automation(NamedTuple):
    """The rule by which Hostaway sends a message on its own; `delta` is in seconds after its event."""

    id: int
    event: str
    delta: int


@dataclass(slots=True, eq=False)
class Message:
    id: int
    conversation: Conversation
    body: str
    is_incoming: bool
    status: str
    date: str
    updated_on: str
    communication_type: str = "email"
    sent_using_hostaway: bool = False
    attachments: list[Payload] | None = None
    automation: Automation | None = None

    @property
    def is_automated(self) -> bool:
        return self.automation is not None

    def payload(self, sign: Sign | None = None) -> Payload:
        """The object; without `sign`, private attachment URLs stay unsigned and therefore stable."""
        conversation = self.conversation
        return {
            "id": self.id,
            "accountId": conversation.account_id,
            "listingMapId": conversation.listing_id,
            "reservationId": conversation.reservation_id,
            "conversationId": conversation.id,
            **MESSAGE,
            **automation_payload(self.automation),
            "body": self.body,
            "communicationType": self.communication_type,
            "status": self.status,
            "isIncoming": int(self.is_incoming),
            "isSeen": None if self.id % 5 == 0 else self.id % 2,
            "sentUsingHostaway": int(self.sent_using_hostaway),
            "hash": f"{self.id * SCATTER % 2**128:032x}",
            "listingTimeZoneName": "Europe/Berlin",
            "date": self.date,
            "sentChannelDate": self.date if self.status == "sent" else None,
            "attachments": [attachment_payload(attachment, sign) for attachment in self.attachments or ()],
            "insertedOn": self.date if self.status == "sent" else self.updated_on,
            "updatedOn": self.updated_on,
        }


def sign(url: str) -> str:
    """Add a new signature, valid for 7 days, to the URL of a private attachment."""
    signed_at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return f"{url}?X-Amz-Date={signed_at}&X-Amz-Expires=604800&X-Amz-Signature={secrets.token_hex(32)}"


def automation_payload(automation: Automation | None) -> Payload:
    """The keys that distinguish an automated message."""
    if automation is None:
        return {}
    return {
        "communicationId": automation.id,
        "communicationEvent": automation.event,
        "communicationTimeDelta": automation.delta,
    }


def attachment_payload(attachment: Payload, sign: Sign | None) -> Payload:
    if sign is None or attachment["isPublic"]:
        return attachment
    return {**attachment, "url": sign(attachment["url"])}
