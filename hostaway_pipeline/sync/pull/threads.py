"""Reads one conversation's messages until they are complete or further passes show no more."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from hostaway_pipeline.client.answers import ApiObject
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import ListRead, messages_of, object_path
from hostaway_pipeline.domain.entities import CONVERSATIONS, MESSAGES, Row
from hostaway_pipeline.domain.sweeps import Reading, Tally
from hostaway_pipeline.errors import NotFound, ObjectRefused, RateLimited, TransientApiError
from hostaway_pipeline.store.copy.threads import Unread
from hostaway_pipeline.sync.by_id import ask


@dataclass(frozen=True, slots=True)
class Thread:
    """The messages of one conversation as read; `problem` says why they are incomplete.

    `shows_all`: Hostaway shows no more than these, whatever it counts: what is missing may still exist.
    """

    conversation: Unread
    rows: list[Row] = field(default_factory=list)
    count: int = 0
    asked_at: datetime | None = None  # when the first page was asked for
    problem: str | None = None
    shows_all: bool = False
    is_gone: bool = False  # deleted at Hostaway since the conversations were listed
    failure: TransientApiError | None = None  # the conversation's own, or the API's

    @property
    def is_read(self) -> bool:
        return self.problem is None and not self.is_gone


def read_thread(
    client: HostawayClient, conversation: Unread, *, to_the_end: bool = False, may_be_empty: bool = False
) -> Thread:
    """`to_the_end`: read past Hostaway's count, as a count that is too low must not hide messages.

    `may_be_empty`: accept an answer without messages although the conversation's markers show that it has some. Raises
    InvalidCredentials and RateLimited; any other failure is in the thread.
    """
    read = messages_of(conversation.id)
    try:
        return _read_or_look_for(client, read, conversation, to_the_end=to_the_end, may_be_empty=may_be_empty)
    except RateLimited:
        raise
    except ObjectRefused as error:
        return Thread(conversation, problem=str(error))
    except TransientApiError as error:
        return Thread(conversation, problem=str(error), failure=error)


def _read_or_look_for(client: HostawayClient, read: ListRead, conversation: Unread, **options: bool) -> Thread:
    try:
        return _read(client, read, conversation, **options)
    except NotFound:
        return _look_for(client, read.path, conversation)


def _read(
    client: HostawayClient, read: ListRead, conversation: Unread, *, to_the_end: bool, may_be_empty: bool
) -> Thread:
    reading = Reading()
    while True:
        tally, rows, asked_at = _one_pass(client, read, to_the_end=to_the_end)
        reading.passes.append(tally)
        is_hollow = not tally.seen and conversation.markers != (None, None) and not may_be_empty
        if reading.is_done and not (is_hollow and len(reading.passes) < 2):
            break
    thread = Thread(conversation, rows, len(tally.seen) if tally.count is None else tally.count, asked_at)
    if is_hollow:
        return replace(thread, problem=f"{read.path}: no message, although the conversation has some")
    if reading.is_complete:
        return thread
    if reading.shows_all:
        return replace(thread, shows_all=True)
    return replace(thread, problem=f"{read.path}: {reading.disagreement}")


def _one_pass(client: HostawayClient, read: ListRead, *, to_the_end: bool) -> tuple[Tally, list[Row], datetime | None]:
    tally, rows, asked_at = Tally(), list[Row](), None
    for page in client.pages(read):
        new = [row for payload in page.rows if (row := MESSAGES.row(payload, page.read_at)) is not None]
        asked_at = asked_at or page.read_at
        tally.add({row.id for row in new}, page.count, is_empty=not page.rows)
        rows += new
        if tally.is_complete and not to_the_end:
            break
    return tally, rows, asked_at


def _look_for(client: HostawayClient, path: str, conversation: Unread) -> Thread:
    """After a 404 for its messages: the conversation has gone if a later read does not find it either."""
    answer = ask(client, object_path(CONVERSATIONS, conversation.id))
    if isinstance(answer, NotFound):
        return Thread(conversation, is_gone=True)
    reason = "the conversation is there" if isinstance(answer, ApiObject) else str(answer)
    return Thread(conversation, problem=f"{path}: not found, but {reason}")
