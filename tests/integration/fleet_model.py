"""Days of a fleet in simulated time: real due times, claims, plans and database; modelled runs, calls and clock.

A call is modelled by the limit of the outgoing address alone, so a simulation says nothing about latency.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

from hostaway_pipeline.defs.sweeper_plan import Sweeper, sweeper_plan
from hostaway_pipeline.domain.breaker import pause_after
from hostaway_pipeline.domain.cadences import Plan, satisfied_by, sync_of
from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.store.cadences import Cadences, Claim
from hostaway_pipeline.store.database import Database

MODES = ("reconcile", "refresh", "listings")
AT_ONCE, LIFETIME, LINGER, START_SECONDS = 4, 600, 20, 5
# As DueAccounts ends a run: after so many failures in a row.
AWAY_AFTER = 8
# A call that fails is retried for about this long.
FAILURE_SECONDS = 20
SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class Task:
    claim: Claim
    began: datetime
    calls: float
    fails_at: datetime | None = None


@dataclass(slots=True)
class Run:
    run_id: str
    place: int
    mode: str
    began: datetime
    busy: datetime
    tasks: list[Task] = field(default_factory=list)
    failures: int = 0


@dataclass(slots=True)
class Outcome:
    """`done`: (mode, account, end) of each success. `most_runs`: unfinished at once."""

    done: list[tuple[str, int, datetime]] = field(default_factory=list)
    most_runs: int = 0
    runs: Counter[str] = field(default_factory=Counter)


class Fleet:
    """`calls`: of one sync, by mode.

    `is_up`, `is_away`: whether the scheduler runs, and whether Hostaway is away. `is_broken`: for one account only.
    """

    def __init__(
        self,
        url: str,
        plan: Plan,
        accounts: Sequence[int],
        start: datetime,
        *,
        limit: RateLimit,
        calls: dict[str, int],
        places: int = 2,
        share: float = 0.8,
        is_up: Callable[[datetime], bool] = lambda _: True,
        is_away: Callable[[datetime], bool] = lambda _: False,
        is_broken: Callable[[int, datetime], bool] = lambda *_: False,
    ) -> None:
        self.url, self.plan, self.now = url, plan, start
        self.limit, self.calls, self.places, self.share = limit, calls, places, share
        self.is_up, self.is_away, self.is_broken = is_up, is_away, is_broken
        self.database = Database(url)
        self.cadences = Cadences(self.database, plan, now=start)
        self.runs: list[Run] = []
        self.window: deque[datetime] = deque()
        self.budget = 0.0
        self.outcome = Outcome()
        self.failed: Counter[int] = Counter()
        self._number = 0
        self._connection = psycopg.connect(url, autocommit=True)
        self._execute("INSERT INTO hostaway.accounts (account_id, last_sync_at) SELECT unnest(%s::bigint[]), now()",
                      list(accounts))  # fmt: skip
        self.cadences.plan_missing()

    def close(self) -> None:
        self._connection.close()
        self.database.dispose()

    def simulate(self, duration: timedelta) -> None:
        end = self.now + duration
        while self.now < end:
            self.now += SECOND
            self.cadences.now = self.now
            if not self.is_up(self.now):
                self.runs.clear()  # killed: their leases end by themselves
                continue
            if self.now.second == 0:
                for mode in MODES:
                    self._tick(mode)
            self._spend()
            for run in list(self.runs):
                self._work(run)
            self.outcome.most_runs = max(self.outcome.most_runs, len(self.runs))

    def _tick(self, mode: str) -> None:
        sweepers = [Sweeper(run.place, run.mode) for run in self.runs]
        period, minute = self.plan.period(mode), int(self.now.timestamp() // 60)
        backlog = self.cadences.backlog()
        plan = sweeper_plan(mode, backlog, sweepers, places=self.places, period=period, minute=minute)
        if plan.is_needed:
            self._number += 1
            began = self.now + timedelta(seconds=START_SECONDS)
            self.runs.append(Run(f"run {self._number}", plan.free_places[0], mode, began, began))
            self.outcome.runs[mode] += 1

    def _spend(self) -> None:
        """Share the calls of this second among the accounts at work: in turn, and refreshes up to their share."""
        while self.window and self.now - self.window[0] >= self.limit.seconds * SECOND:
            self.window.popleft()
        tasks = [task for run in self.runs for task in run.tasks if task.fails_at is None]
        self.budget = min(self.budget + self.limit.requests / self.limit.seconds, self.limit.requests)
        while self.budget >= 1 and tasks:
            task = tasks.pop(0)
            if task.claim.mode == "refresh" and len(self.window) >= self.share * self.limit.requests:
                continue
            self.window.append(self.now)
            self.budget -= 1
            task.calls -= 1
            if task.calls > 0:
                tasks.append(task)

    def _work(self, run: Run) -> None:
        for task in list(run.tasks):
            if task.calls <= 0:
                self._succeed(run, task)
            elif task.fails_at is not None and task.fails_at <= self.now:
                self._fail(run, task)
        may_claim = run.began <= self.now < run.began + LIFETIME * SECOND and run.failures < AWAY_AFTER
        while may_claim and len(run.tasks) < AT_ONCE:
            claim = self.cadences.claim(run.mode, run.run_id)
            if claim is None:
                break
            fails = self.is_away(self.now) or self.is_broken(claim.account_id, self.now)
            fails_at = self.now + FAILURE_SECONDS * SECOND if fails else None
            run.tasks.append(Task(claim, self.now, self.calls[claim.mode], fails_at))
        if run.tasks:
            run.busy = self.now
            if self.now.second % 15 == 0:
                self.cadences.extend(run.run_id)
        elif (not may_claim and self.now >= run.began) or self.now - run.busy >= LINGER * SECOND:
            self.runs.remove(run)

    def _succeed(self, run: Run, task: Task) -> None:
        run.tasks.remove(task)
        run.failures = 0
        self.failed.pop(task.claim.account_id, None)
        self.cadences.record_success(task.claim.account_id, satisfied_by(*sync_of(task.claim.mode)), task.began)
        self.cadences.release(task.claim, run.run_id)
        self.outcome.done.append((task.claim.mode, task.claim.account_id, self.now))

    def _fail(self, run: Run, task: Task) -> None:
        run.tasks.remove(task)
        run.failures += 1
        account_id = task.claim.account_id
        self.failed[account_id] += 1
        self.cadences.release(task.claim, run.run_id, again_in=timedelta(minutes=1))
        if (pause := pause_after(self.failed[account_id], is_permanent=False)) is not None:
            self._execute("UPDATE hostaway.accounts SET paused_until = %s WHERE account_id = %s", self.now + pause,
                          account_id)  # fmt: skip

    def intervals(self, mode: str) -> list[timedelta]:
        """The time between each account's two newest successes."""
        return [row[0] for row in self._execute("SELECT last_interval FROM hostaway.cadences WHERE mode = %s "
                                                "AND last_interval IS NOT NULL", mode)]  # fmt: skip

    def _execute(self, statement: str, *values: Any) -> list[Any]:
        cursor = self._connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []
