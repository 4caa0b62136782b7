"""How fast the host answers: one run per question of a guest, however many messages it takes."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.analytics.oracle.source import Payload, Source
from tests.analytics.oracle.supply import zones
from tests.analytics.oracle.values import instant, is_set, local_day, month_of


@dataclass
class Run:
    """From a guest's message to the first human reply; `replied_at` is None while nobody has answered."""

    started_at: datetime
    month: date
    is_new_thread: bool
    replied_at: datetime | None = None

    @property
    def minutes(self) -> Fraction | None:
        if self.replied_at is None:
            return None
        return Fraction((self.replied_at - self.started_at) // timedelta(microseconds=1), 60_000_000)

    @property
    def is_within_a_day(self) -> bool:
        return self.replied_at is not None and self.replied_at - self.started_at <= timedelta(hours=24)


def runs(source: Source) -> list[Run]:
    threads: defaultdict[Any, list[tuple[datetime, int, Payload]]] = defaultdict(list)
    for message in source.messages:
        sent_at = instant(message.get("date"))
        if sent_at is not None and (message.get("status") == "sent" or is_set(message.get("isIncoming"))):
            threads[message["conversationId"]].append((sent_at, message["id"], message))
    known, found = zones(source), list[Run]()
    for conversation in source.conversations:
        zone = known.get(conversation.get("listingMapId") or 0, ZoneInfo("UTC"))
        found += _runs(sorted(threads[conversation["id"]], key=lambda message: message[:2]), zone)
    return found


def _runs(thread: list[tuple[datetime, int, Payload]], zone: ZoneInfo) -> list[Run]:
    found: list[Run] = []
    open_run: Run | None = None
    for place, (at, _, message) in enumerate(thread):
        is_from_guest = is_set(message.get("isIncoming"))
        if is_from_guest and open_run is None:
            open_run = Run(at, month_of(local_day(at, zone)), is_new_thread=place == 0)
            found.append(open_run)
        elif not is_from_guest and open_run is not None and not _is_automated(message):
            open_run.replied_at, open_run = at, None
    return found


def _is_automated(message: Payload) -> bool:
    return message.get("communicationId") is not None or message.get("communicationEvent") is not None
