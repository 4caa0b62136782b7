"""Runs the reads of one sync: the lists in parallel, then messages, then the calendar if it is asked for."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Self

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.domain.calendar import CALENDAR
from hostaway_pipeline.domain.entities import CONVERSATIONS, LISTINGS, MESSAGES, RESERVATIONS
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.sync_runs import StartedRun
from hostaway_pipeline.sync.pull.calendar import CalendarReader
from hostaway_pipeline.sync.pull.finance import read_finance
from hostaway_pipeline.sync.pull.messages import MessageReader
from hostaway_pipeline.sync.pull.moved import refresh_conversations
from hostaway_pipeline.sync.pull.newest import read_newest
from hostaway_pipeline.sync.pull.progress import Progress
from hostaway_pipeline.sync.pull.request import PullRequest, Report
from hostaway_pipeline.sync.pull.sweep import Outcome, Sweep

_LISTS = (LISTINGS, RESERVATIONS, CONVERSATIONS)


@dataclass(slots=True)
class Reads:
    """The reads that a request asks for. `max_delete_share` and `reread_share` are fractions of 1."""

    client: HostawayClient
    writer: PullWriter
    request: PullRequest
    run: StartedRun
    max_delete_share: float
    reread_share: float
    progress: Progress

    @classmethod
    def of(
        cls,
        request: PullRequest,
        run: StartedRun,
        settings: Settings,
        *,
        client: HostawayClient,
        writer: PullWriter,
        progress: Progress,
    ) -> Self:
        """The request's reads, with the settings' shares where it sets none."""
        return cls(
            client,
            writer,
            request,
            run,
            max_delete_share=1.0 if request.allow_mass_delete else settings.max_delete_share,
            reread_share=settings.reread_share if request.reread_share is None else request.reread_share,
            progress=progress,
        )

    def read_into(self, report: Report) -> None:
        """Run the reads; what was read before a failure stays in the report."""
        with ThreadPoolExecutor(self.client.concurrency, "request") as pool, self.client.abort_on_error():
            for outcome in self._run_in_parallel(self._list_reads(pool)):
                report.add(outcome)
            if MESSAGES.name in self.request.entities:
                report.add(self._read_messages(pool))
            if self.request.mode == "refresh" and RESERVATIONS.name in self.request.entities:
                report.entities[RESERVATIONS.name] += read_finance(self.client, self.writer, pool, self.progress)
            if CALENDAR in self.request.entities:
                report.add(self._read_calendar(pool))

    def _list_reads(self, pool: Executor) -> list[Callable[[], Outcome]]:
        wanted = [entity for entity in _LISTS if entity.name in self.request.entities]
        share = self.max_delete_share
        if self.request.mode == "refresh":
            wanted = [entity for entity in wanted if entity is not LISTINGS]
        reads: list[Callable[[], Outcome]] = []
        for entity in wanted:
            if self.request.mode == "refresh" and entity is RESERVATIONS:
                reads.append(partial(read_newest, self.client, self.writer, self.progress))
            elif self.request.mode == "refresh":
                read = partial(refresh_conversations, self.client, self.writer, pool, self.progress)
                reads.append(partial(read, max_delete_share=share))
            else:
                sweep = Sweep(entity, self.client, self.writer, pool, self.progress)
                reads.append(partial(sweep.run, max_delete_share=share))
        return reads

    def _read_messages(self, pool: Executor) -> Outcome:
        mode = self.request.mode
        unread = self.writer.conversations_to_read(
            read_before=self.run.baseline_at if mode == "full" else None,
            reread_share=self.reread_share if mode == "reconcile" else 0.0,
            trusts_webhooks=mode == "refresh",
        )
        reader = MessageReader(
            self.client,
            self.writer,
            pool,
            self.progress,
            synced_at=self.run.started_at,
            max_delete_share=self.max_delete_share,
        )
        return reader.run(unread)

    def _read_calendar(self, pool: Executor) -> Outcome:
        reader = CalendarReader(self.client, self.writer, pool, self.progress, max_delete_share=self.max_delete_share)
        return reader.run()

    def _run_in_parallel(self, calls: list[Callable[[], Outcome]]) -> list[Outcome]:
        """Each call in its own thread. Raises the first failure once all have ended."""
        if len(calls) <= 1:
            return [call() for call in calls]
        with ThreadPoolExecutor(len(calls), "sweep") as executor, self.client.abort_on_error():
            futures = [executor.submit(call) for call in calls]
            wait(futures)  # here rather than at the pool's end, so that an interrupt aborts the client first
        return [future.result() for future in futures]
