"""Reads the messages of the conversations that need it, several at a time, and stores them as they come."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from functools import partial

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import CONVERSATIONS, MESSAGES
from hostaway_pipeline.store.copy.deletions import Marked
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.copy.sweeps import SweepRecord
from hostaway_pipeline.store.copy.threads import Read, Unread
from hostaway_pipeline.sync.pull.progress import Progress
from hostaway_pipeline.sync.pull.side_by_side import side_by_side
from hostaway_pipeline.sync.pull.sweep import Outcome
from hostaway_pipeline.sync.pull.threads import Thread, read_thread

# Live messages that a read did not show, by conversation. If a second read does not show them either, they are gone.
Missing = Mapping[int, frozenset[int]]

# After this many conversations in a row without an answer, a probe tells whether the API is down.
_MAX_FAILURES = 3


class MessageReader:
    """Reads conversations. `synced_at` is the sync's start, by the database's clock.

    `max_delete_share`: fraction of the live messages and conversations that a day may delete; 1: any number, and an
    empty answer is accepted.
    """

    def __init__(
        self,
        client: HostawayClient,
        writer: PullWriter,
        pool: Executor,
        progress: Progress,
        *,
        synced_at: datetime,
        max_delete_share: float,
    ) -> None:
        self._client = client
        self._writer = writer
        self._pool = pool
        self._progress = progress
        self._synced_at = synced_at
        self._max_share = max_delete_share
        self._problems: list[str] = []
        self._held_back = 0
        self._held_back_reason: str | None = None
        self._gone: set[int] = set()
        self._failures = 0  # conversations without an answer, in a row

    def run(self, conversations: list[Unread]) -> Outcome:
        """Read and store. Raises an ApiError when the API is down."""
        started_at = self._writer.database_time()
        self._progress.expect(MESSAGES.name, len(conversations))
        counts, again = self._cascade(), list[Unread]()
        missing: dict[int, frozenset[int]] = {}
        for threads in self._read_all(conversations):
            counts += self._apply(threads, missing)
            again += [thread.conversation for thread in threads if thread.conversation.id in missing]
            self._progress.advance(MESSAGES.name, len(threads))
        for threads in self._read_all(again, to_the_end=True):
            counts += replace(self._apply_second(threads, missing), fetched=0, unchanged=0)
        gone = self._mark_gone(started_at)
        if gone:
            counts += self._cascade()
        record = self._writer.finish_messages(self._sweep_record(started_at))
        return Outcome(MESSAGES.name, counts, record, gone_conversations=gone)

    def _cascade(self) -> Counts:
        """Delete messages of deleted conversations, beyond the day's share: the conversations' proof covers them."""
        return Counts(deleted=self._writer.delete_messages_of_deleted_conversations())

    def _read_all(self, conversations: list[Unread], *, to_the_end: bool = False) -> Iterator[list[Thread]]:
        read = partial(read_thread, self._client, to_the_end=to_the_end, may_be_empty=self._max_share >= 1)
        for threads in side_by_side(self._pool, read, conversations, at_once=2 * self._client.concurrency):
            self._note_failures(threads)
            yield threads

    def _note_failures(self, threads: list[Thread]) -> None:
        """Count failures in a row; after a few, probe. Raises an ApiError when the probe fails, too."""
        for thread in threads:
            self._failures = self._failures + 1 if thread.failure else 0
            if self._failures >= _MAX_FAILURES:
                self._client.probe()
                self._failures = 0

    def _apply(self, threads: list[Thread], missing: dict[int, frozenset[int]]) -> Counts:
        """Store what was read; mark conversations that lack nothing as read, and add the others to `missing`."""
        asked_at = self._note(threads)
        lacking = self._lacking(threads, asked_at)
        # Where Hostaway counts messages that it does not show, a missing message may still exist.
        missing |= {thread.conversation.id: lacking[thread.conversation.id] for thread in threads
                    if thread.conversation.id in lacking and not thread.shows_all}  # fmt: skip
        reads = [_read(thread) for thread in threads if thread.is_read and thread.conversation.id not in missing]
        rows = [row for thread in threads for row in thread.rows]
        counts, _ = self._writer.apply_reads(rows, {}, reads, asked_at=asked_at, synced_at=self._synced_at)
        return counts

    def _apply_second(self, threads: list[Thread], missing: Missing) -> Counts:
        """Delete what is missing again; what is missing only now is left to the next sync."""
        asked_at = self._note(threads)
        lacking = self._lacking(threads, asked_at)
        gone, reads = dict[int, frozenset[int]](), list[Read]()
        for thread in threads:
            lacks = lacking.get(thread.conversation.id, frozenset())
            if (thread.shows_all and lacks) or lacks - missing[thread.conversation.id]:
                self._problems.append(f"conversation {thread.conversation.id}: two reads do not miss the same messages")
            elif thread.is_read:
                gone[thread.conversation.id] = lacks
                reads.append(_read(thread))
        rows = [] if self._writer.dry_run else [row for thread in threads for row in thread.rows]
        counts, marked = self._writer.apply_reads(
            rows, gone, reads, asked_at=asked_at, synced_at=self._synced_at, max_share=self._max_share
        )
        self._hold_back(marked)
        return counts

    def _note(self, threads: list[Thread]) -> datetime:
        """Record the threads' problems; returns when the first complete one was asked for."""
        self._problems += [thread.problem for thread in threads if thread.problem is not None]
        self._gone |= {thread.conversation.id for thread in threads if thread.is_gone}
        return min(
            (thread.asked_at for thread in threads if thread.is_read and thread.asked_at), default=self._synced_at
        )

    def _lacking(self, threads: list[Thread], asked_at: datetime) -> dict[int, frozenset[int]]:
        """Live messages that complete reads do not show, by conversation, for conversations that have some.

        Messages stored after Hostaway was asked are left out: a webhook brought them meanwhile.
        """
        shown = {thread.conversation.id: {row.id for row in thread.rows} for thread in threads if thread.is_read}
        alive = self._writer.alive_messages(list(shown), asked_at)
        lacking = {conversation: frozenset(ids - shown[conversation]) for conversation, ids in alive.items()}
        return {conversation: ids for conversation, ids in lacking.items() if ids}

    def _mark_gone(self, asked_at: datetime) -> int:
        marked = self._writer.mark_gone(CONVERSATIONS, self._gone, asked_at=asked_at, max_share=self._max_share)
        if marked.reason is not None:
            self._problems.append(f"{len(marked.held_back)} conversations are not found, but {marked.reason}")
        return marked.deleted

    def _hold_back(self, marked: Marked) -> None:
        self._held_back += len(marked.held_back)
        self._held_back_reason = marked.reason or self._held_back_reason

    def _sweep_record(self, started_at: datetime) -> SweepRecord:
        reasons = []
        if self._problems:
            reasons.append(f"{len(self._problems)} conversations could not be read ({self._problems[0]})")
        if self._held_back:
            reasons.append(f"{self._held_back} messages were held back ({self._held_back_reason})")
        return SweepRecord(
            entity=MESSAGES.name,
            started_at=started_at,
            is_complete=not self._problems,
            server_count=None,
            seen_count=0,
            held_back=self._held_back,
            reason="; ".join(reasons) or None,
        )


def _read(thread: Thread) -> Read:
    return Read(thread.conversation, thread.count)
