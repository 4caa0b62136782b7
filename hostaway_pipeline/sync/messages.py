"""Messages: one read per conversation, newest first, several at a time; what is read is stored as it comes."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import MESSAGES, Row
from hostaway_pipeline.domain.sweeps import Tally, most_deletions
from hostaway_pipeline.errors import InvalidCredentials, NotFound, PermanentApiError
from hostaway_pipeline.store.account_tables import AccountTables
from hostaway_pipeline.store.conversations import Read, Unread
from hostaway_pipeline.store.sweeps import SweepRecord
from hostaway_pipeline.sync.progress import Progress
from hostaway_pipeline.sync.sweep import MOST_PASSES, Outcome

_PAGE_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Thread:
    """The messages of one conversation as read; `problem` when they are not all there."""

    conversation: Unread
    rows: list[Row] = field(default_factory=list)
    count: int = 0
    asked_at: datetime | None = None  # when the first page was asked for
    problem: str | None = None
    is_gone: bool = False  # deleted at Hostaway since the conversations were listed


class MessageReader:
    """Reads the conversations that need it. `synced_at` is the sync's start, by the database's clock."""

    def __init__(self, client: HostawayClient, tables: AccountTables, pool: Executor, progress: Progress) -> None:
        self._client = client
        self._tables = tables
        self._pool = pool
        self._progress = progress
        self._problems: list[str] = []
        self._held_back = 0

    def run(self, conversations: list[Unread], *, synced_at: datetime, max_delete_share: float) -> Outcome:
        started_at = self._tables.database_time()
        self._progress.expect(MESSAGES.name, len(conversations))
        counts = Counts(deleted=self._tables.delete_messages_of_deleted_conversations())
        alive = len(self._tables.alive_ids(MESSAGES))
        may_delete = most_deletions(alive, max_delete_share)
        for threads in self._read_all(conversations):
            counts += self._apply(threads, may_delete - counts.deleted, synced_at)
            self._progress.advance(MESSAGES.name, len(threads))
        record = self._tables.finish_messages(self._record(started_at))
        return Outcome(MESSAGES.name, counts, record)

    def _read_all(self, conversations: list[Unread]) -> Iterator[list[Thread]]:
        """Batches of whatever has arrived since the last batch, so that the database keeps up by itself."""
        waiting = iter(conversations)
        under_way: set[Future[Thread]] = set()
        try:
            while True:
                free = 2 * self._client.concurrency - len(under_way)
                under_way |= {self._pool.submit(self._read, c) for c in islice(waiting, free)}
                if not under_way:
                    return
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield [future.result() for future in done]
        finally:
            for future in under_way:
                future.cancel()

    def _read(self, conversation: Unread) -> Thread:
        try:
            for _ in range(MOST_PASSES):
                thread = self._one_pass(conversation)
                if thread.problem is None:
                    break
        except NotFound:
            return Thread(conversation, is_gone=True)
        except InvalidCredentials:
            raise
        except PermanentApiError as error:
            return Thread(conversation, problem=str(error))
        return thread

    def _one_pass(self, conversation: Unread) -> Thread:
        tally, rows, asked_at = Tally(), [], None
        path = f"/conversations/{conversation.id}/messages"
        offset = 0
        while True:
            page = self._client.page(path, {"limit": _PAGE_LIMIT, "offset": offset})
            read = [row for payload in page.rows if (row := MESSAGES.row(payload, page.read_at)) is not None]
            asked_at = asked_at or page.read_at
            tally.add({row.id for row in read}, page.count)
            rows += read
            offset += len(page.rows)
            if not page.rows or tally.is_complete:
                break
        problem = None if tally.is_complete else f"{path}: {len(tally.seen)} distinct rows but a count of {tally.count}"
        return Thread(conversation, rows, tally.count or 0, asked_at, problem)

    def _apply(self, threads: list[Thread], may_delete: int, synced_at: datetime) -> Counts:
        self._problems += [thread.problem for thread in threads if thread.problem is not None]
        complete = [thread for thread in threads if thread.problem is None and not thread.is_gone]
        asked_at = min((thread.asked_at for thread in complete if thread.asked_at), default=synced_at)
        missing = self._missing(complete, asked_at)
        deleted = frozenset[int]().union(*missing.values())
        if len(deleted) > may_delete:  # too many to be deletions: leave them, and read these conversations again
            self._held_back += len(deleted)
            complete = [thread for thread in complete if thread.conversation.id not in missing]
            deleted = frozenset()
        rows = [row for thread in threads for row in thread.rows]
        reads = [Read(thread.conversation, thread.count) for thread in complete]
        return self._tables.apply_reads(rows, deleted, reads, asked_at=asked_at, synced_at=synced_at)

    def _missing(self, complete: list[Thread], asked_at: datetime) -> dict[int, set[int]]:
        """Live messages that a complete read no longer shows, by conversation; only conversations that have some.

        A message that came after Hostaway was asked is not one of them: a webhook brought it meanwhile.
        """
        shown = {thread.conversation.id: {row.id for row in thread.rows} for thread in complete}
        alive = self._tables.alive_messages(list(shown), asked_at)
        return {conversation: gone for conversation, ids in alive.items() if (gone := ids - shown[conversation])}

    def _record(self, started_at: datetime) -> SweepRecord:
        reasons = []
        if self._problems:
            reasons.append(f"{len(self._problems)} conversations could not be read ({self._problems[0]})")
        if self._held_back:
            reasons.append(f"{self._held_back} messages are missing from the answers, too many to go at once")
        return SweepRecord(
            entity=MESSAGES.name,
            started_at=started_at,
            is_complete=not self._problems,
            server_count=None,
            seen_count=0,
            held_back=self._held_back,
            reason="; ".join(reasons) or None,
        )
