"""Finds the conversations that moved since the last sync, without reading their whole list. Not a sweep.

Two orders of the reservations show whose messages are newest; domain/thread_order.py says what follows from them. Where
they show too little, or the list is short, the list is read.
"""

from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from math import ceil

import structlog

from hostaway_pipeline.client.answers import Page
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import NEWEST_THREADS, conversations_of, object_path, whole_list
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import CONVERSATIONS, Row
from hostaway_pipeline.domain.markers import Markers, newest_markers
from hostaway_pipeline.domain.thread_order import ThreadOrder, messages_known_until
from hostaway_pipeline.domain.values import as_int
from hostaway_pipeline.errors import Aborted, ObjectRefused, RateLimited, TransientApiError
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.sync.pull.progress import Progress
from hostaway_pipeline.sync.pull.side_by_side import side_by_side
from hostaway_pipeline.sync.pull.sweep import Outcome, Sweep

log = structlog.get_logger(__name__)
# A list of so few pages costs no more calls than the orders do.
_SHORT_LIST = 4
# Calls in which an order that the server ignores may be noticed too late.
_AT_ONCE = 8
# Reservations read in vain that make six calls, with a page of each order and one of changes. Two are known ground; the
# third is the newest one, if its second may not have been over.
_MOST_IN_VAIN = 3
_NONE: Markers = (None, None)


class ListNeeded(Exception):
    """Raised where only the whole list of conversations shows what moved; says why."""


class ListShorter(ListNeeded):
    """Raised where reading conversations by id would cost more calls than the list does."""


def refresh_conversations(
    client: HostawayClient, writer: PullWriter, pool: Executor, progress: Progress, *, max_delete_share: float
) -> Outcome:
    """Merge the conversations that moved; by the whole list where that is shorter or nothing else shows them."""
    moved = MovedThreads(client, writer, pool, progress)
    sweep = Sweep(CONVERSATIONS, client, writer, pool, progress)
    if moved.needs_list:
        return sweep.run(max_delete_share=max_delete_share)
    try:
        moved.read()
    except (Aborted, RateLimited):
        raise
    except (ListNeeded, ObjectRefused, TransientApiError) as reason:
        say = log.info if isinstance(reason, ListShorter) else log.warning
        say("the whole list of conversations is read", account_id=client.account_id, reason=str(reason))
        swept = sweep.run(max_delete_share=max_delete_share)
        written = moved.counts.inserted + moved.counts.updated
        return replace(swept, counts=swept.counts + replace(moved.counts, fetched=0, unchanged=-written))
    return Outcome(CONVERSATIONS.name, moved.counts, enquiries=moved.enquiries)


class MovedThreads:
    """`counts`: what was merged so far. `enquiries`: conversations without a reservation that were read by id."""

    def __init__(self, client: HostawayClient, writer: PullWriter, pool: Executor, progress: Progress) -> None:
        self.counts = Counts()
        self.enquiries = 0
        self._client = client
        self._writer = writer
        self._pool = pool
        self._progress = progress
        self._known_until = writer.known_until(CONVERSATIONS)
        self._orders = [ThreadOrder(self._known_until) for _ in NEWEST_THREADS if self._known_until]
        self._pages = ceil(writer.live_threads() / whole_list(CONVERSATIONS).limit)
        self._stored: dict[int, Markers] = {}  # by reservation, as they were before this refresh
        self._seen: list[datetime | None] = []  # markers that were read
        self._in_vain = 0  # reservations that were read and had not moved

    @property
    def needs_list(self) -> bool:
        """Whether nothing is known yet, or the list is so short that the orders would save no call."""
        return self._known_until is None or self._pages <= _SHORT_LIST

    def read(self) -> None:
        """Raises ListNeeded, or an ApiError of a single read, where the list has to be read instead."""
        self._progress.expect(CONVERSATIONS.name, None)
        asked_at = self._writer.database_time()
        enquiries = self._writer.recent_enquiries()
        self._follow(also=len(enquiries))
        self._read_enquiries(enquiries)
        if self._in_vain < _MOST_IN_VAIN:
            self._look_for_new()
        known_until = messages_known_until(self._seen, asked_at)
        if known_until is not None:
            self._writer.advance_known_until(CONVERSATIONS, known_until)  # only now: an error must not hide a gap

    def _follow(self, *, also: int) -> None:
        """Read down both orders to known ground. `also`: conversations that are read by id for another reason."""
        pages = [self._client.pages_by_position(read) for read in NEWEST_THREADS]
        while unfinished := [place for place, order in enumerate(self._orders) if not order.is_finished]:
            for place in unfinished:  # both pages before any other read: what they show is as old as the first
                self._extend(place, next(pages[place], None))
            overtakers = list(dict.fromkeys(one for order in self._orders for one in order.overtakers()))
            if len(overtakers) + also > self._pages:
                self._read_overtakers(overtakers[:1])  # which most likely tells whether the order is ignored
                raise ListShorter(f"{len(overtakers) + also} conversations would be read by id")
            self._read_overtakers(overtakers)
            for place in unfinished:
                self._descend(self._orders[place])

    def _descend(self, order: ThreadOrder) -> None:
        """Read reservations one after another, from the top down to known ground."""
        order.checks_ties = self._in_vain < _MOST_IN_VAIN - 1
        while (one := order.next_to_read()) is not None:
            self._note(one, self._ask(one))
            self._in_vain += not order.has_moved(one)

    def _extend(self, place: int, page: Page | None) -> None:
        ids = [one for row in page.rows if (one := as_int(row.get("id"))) is not None] if page else []
        if unknown := [one for one in ids if one not in self._stored]:
            self._stored |= dict.fromkeys(unknown, _NONE) | self._writer.markers_of(unknown)
        stored = {one: self._stored[one][place] for one in ids}
        if not any(stored.values()):
            raise ListNeeded("the orders of the reservations do not lead to known messages")
        self._orders[place].extend(stored)

    def _read_overtakers(self, overtakers: list[int]) -> None:
        ids = [one for one in overtakers if one not in self._orders[0].read]  # they know the same reads
        for answers in side_by_side(self._pool, self._ask_with_id, ids, at_once=_AT_ONCE):
            for one, rows in answers:
                self._note(one, rows)
            if any(order.unmoved_overtakers() for order in self._orders):
                raise ListNeeded("the reservations are not in the order of their messages")

    def _ask_with_id(self, reservation_id: int) -> tuple[int, list[Row]]:
        return reservation_id, self._ask(reservation_id)

    def _ask(self, reservation_id: int) -> list[Row]:
        """The conversations of a reservation."""
        read = conversations_of(reservation_id)
        page = self._client.page(read.path, read.at(0))
        if page.count is not None and page.count > len(page.rows):
            raise ListNeeded(f"{read.path}: more conversations than a page holds")
        return [row for payload in page.rows if (row := CONVERSATIONS.row(payload, page.read_at)) is not None]

    def _note(self, reservation_id: int, rows: list[Row]) -> None:
        self._merge(rows)
        markers = newest_markers(rows)
        self._seen += markers
        for order, marker in zip(self._orders, markers, strict=True):
            order.read[reservation_id] = marker

    def _read_enquiries(self, ids: list[int]) -> None:
        """Read conversations by id, since no order of the reservations shows them."""
        for rows in side_by_side(self._pool, self._ask_enquiry, ids, at_once=_AT_ONCE):
            self._merge([row for row in rows if row is not None])
        self.enquiries = len(ids)

    def _ask_enquiry(self, conversation_id: int) -> Row | None:
        answer = self._client.get_object(object_path(CONVERSATIONS, conversation_id))
        return CONVERSATIONS.row(answer.payload, answer.read_at)

    def _look_for_new(self) -> None:
        """Read the end of the list, as far as is known: a new conversation moves no reservation if it has none."""
        known, inserted, read = self._writer.live_threads(), self.counts.inserted, whole_list(CONVERSATIONS)
        page = self._client.page(read.path, read.at(max(0, known - read.limit // 2)))
        self._merge([row for payload in page.rows if (row := CONVERSATIONS.row(payload, page.read_at)) is not None])
        if page.count is None or page.count > known + self.counts.inserted - inserted:
            raise ListNeeded(f"Hostaway counts {page.count} conversations, and {known} are known")

    def _merge(self, rows: list[Row]) -> None:
        self.counts += self._writer.merge(CONVERSATIONS, rows)
        self._progress.advance(CONVERSATIONS.name, len(rows))
