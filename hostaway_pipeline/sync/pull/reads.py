"""The reads of one sync: the lists side by side, then the messages that follow from the conversations."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.domain.entities import CONVERSATIONS, LISTINGS, MESSAGES, RESERVATIONS
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.sync_runs import StartedRun
from hostaway_pipeline.sync.pull.messages import MessageReader
from hostaway_pipeline.sync.pull.newest import read_newest
from hostaway_pipeline.sync.pull.progress import Progress
from hostaway_pipeline.sync.pull.request import PullRequest, Report
from hostaway_pipeline.sync.pull.sweep import Outcome, Sweep

_LISTS = (LISTINGS, RESERVATIONS, CONVERSATIONS)


@dataclass(slots=True)
class Reads:
    """The reads of one sync: the lists side by side, then the messages that follow from the conversations."""

    client: HostawayClient
    tables: PullWriter
    request: PullRequest
    run: StartedRun
    max_delete_share: float
    reread_share: float
    progress: Progress

    def read_into(self, report: Report) -> None:
        """What was read before a failure is in the report all the same."""
        with ThreadPoolExecutor(self.client.concurrency, "request") as pool, self.client.abort_on_error():
            for outcome in self._side_by_side(self._list_reads(pool)):
                report.add(outcome)
            if MESSAGES.name in self.request.entities:
                report.add(self._messages(pool))

    def _list_reads(self, pool: Executor) -> list[Callable[[], Outcome]]:
        wanted = [entity for entity in _LISTS if entity.name in self.request.entities]
        share = self.max_delete_share
        if self.request.mode == "refresh":
            wanted = [entity for entity in wanted if entity is not LISTINGS]
        reads: list[Callable[[], Outcome]] = []
        for entity in wanted:
            if self.request.mode == "refresh" and entity is RESERVATIONS:
                reads.append(partial(read_newest, self.client, self.tables, self.progress))
            else:
                sweep = Sweep(entity, self.client, self.tables, pool, self.progress)
                reads.append(partial(sweep.run, max_delete_share=share))
        return reads

    def _messages(self, pool: Executor) -> Outcome:
        is_full, is_reconcile = self.request.mode == "full", self.request.mode == "reconcile"
        unread = self.tables.conversations_to_read(
            read_before=self.run.baseline_at if is_full else None,
            reread_share=self.reread_share if is_reconcile else 0.0,
        )
        reader = MessageReader(
            self.client,
            self.tables,
            pool,
            self.progress,
            synced_at=self.run.started_at,
            max_delete_share=self.max_delete_share,
        )
        return reader.run(unread)

    def _side_by_side(self, calls: list[Callable[[], Outcome]]) -> list[Outcome]:
        """Each in a thread of its own; the first failure is raised once all have ended."""
        if len(calls) <= 1:
            return [call() for call in calls]
        with ThreadPoolExecutor(len(calls), "sweep") as executor, self.client.abort_on_error():
            futures = [executor.submit(call) for call in calls]
            wait(futures)  # here, not at the pool's end: an interrupt has to reach the client before that
        return [future.result() for future in futures]
