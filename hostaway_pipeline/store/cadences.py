"""Keeps when each account is due in each mode, and hands accounts that are due to the runs that sync them.

A claim is a lease: a run that lives extends it, and the claim of one that has died ends by itself.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from hostaway_pipeline.domain.cadences import DEFAULT, Plan, Schedule
from hostaway_pipeline.domain.vocabulary import Cadence
from hostaway_pipeline.store.database import Database, driver, query, values_of
from hostaway_pipeline.store.schema import cadences

# How long a claim outlives a run that was killed. Runs extend theirs four times as often.
LEASE = timedelta(seconds=60)
# How long Dagster may take from a schedule's request of a run until the run is in its list.
_RESERVE = timedelta(seconds=90)
# The most that a due time lies ahead: a night in which clocks change is longer than a day.
_NIGHT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Claim:
    account_id: int
    mode: Cadence


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in one mode, over all active accounts.

    `due`, `requested`: accounts to sync by their grid, and on request. `latest`: how late the latest is.
    `mean_interval`: between the two newest successes of each account. `oldest`: since the start of the oldest success.
    `request_age`: of the oldest request that waits.
    """

    mode: Cadence
    accounts: int = 0
    due: int = 0
    requested: int = 0
    claimed: int = 0
    latest: timedelta | None = None
    mean_interval: timedelta | None = None
    oldest: timedelta | None = None
    request_age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class CadenceState:
    """One mode of one account. `own`: its own schedule, or the default one."""

    mode: Cadence
    own: Schedule
    next_due_at: datetime | None
    requested_at: datetime | None
    succeeded_at: datetime | None


class Cadences:
    """`now`: a clock of its own in place of the database's, for simulations."""

    def __init__(self, database: Database, plan: Plan, *, now: datetime | None = None) -> None:
        self._database = database
        self.plan = plan
        self.now = now

    def plan_missing(self) -> None:
        """Give every active account its due time in every regular mode."""
        modes = self.plan.modes
        longest = [_NIGHT if mode == "reconcile" else self.plan.period(mode) for mode in modes]
        values = {"modes": modes, "longest": longest, "now": self.now}
        with self._database.transaction() as connection:
            cursor = driver(connection).cursor()
            missing = cursor.execute(query("cadences_to_plan"), values).fetchall()
            if missing:
                now = self._now(connection)
                due = [self.plan.next_due(row[0], row[1], now, Schedule(row[2], row[3])) for row in missing]
                planned = {"account_ids": [r[0] for r in missing], "modes": [r[1] for r in missing], "due": due}
                cursor.execute(query("plan_cadences"), planned)

    def request(self, account_id: int, mode: Cadence) -> None:
        """Request a sync now. The request stays until a sync that began later has done this mode's work."""
        with self._database.transaction() as connection:
            connection.execute(request_of(account_id, mode))

    def schedule(self, account_id: int, own: Mapping[Cadence, Schedule]) -> None:
        """Give an account schedules of its own, by mode, or back the default ones."""
        with self._database.transaction() as connection:
            now = self._now(connection)
            for mode, schedule in own.items():
                due = self.plan.next_due(account_id, mode, now, schedule)
                changed = {"every": schedule.every, "at": schedule.at, "next_due_at": due}
                new = insert(cadences).values(account_id=account_id, mode=mode, **changed)
                connection.execute(new.on_conflict_do_update(index_elements=list(_KEY), set_=changed))

    def claim(self, mode: str, run_id: str) -> Claim | None:
        """Claim the most urgent account: a requested one, or one that is due in `mode`; None when no account waits.

        `mode`: also `requested`, which claims requested accounts only.
        """
        values = {"mode": mode, "run_id": run_id, "lease": LEASE, "period": self.plan.period(mode), "now": self.now}
        row = self._run("claim_account", values)
        return None if row is None else Claim(*row)

    def extend(self, run_id: str) -> None:
        """Prolong the claims of a run that is alive."""
        self._run("extend_leases", {"run_id": run_id, "lease": LEASE, "now": self.now})

    def release(self, claim: Claim, run_id: str, *, again_in: timedelta = timedelta(0)) -> None:
        """End a claim. `again_in`: how long nobody claims the account in this mode."""
        values = {"account_id": claim.account_id, "mode": claim.mode, "run_id": run_id, "again_in": again_in}
        self._run("release_account", values | {"now": self.now})

    def give_back(self, run_ids: Collection[str]) -> None:
        """End the claims of runs that are over."""
        self._run("give_back_claims", {"run_ids": list(run_ids)})

    def record_success(self, account_id: int, modes: Collection[Cadence], as_of: datetime) -> None:
        """Record that these modes are done, as of the start of a sync; sets the account's next due times."""
        with self._database.transaction() as connection:
            own = {state.mode: state.own for state in _states(connection, account_id)}
            done = [mode for mode in sorted(modes) if mode in own or mode in self.plan.modes]
            now = self._now(connection)
            due = [self.plan.next_due(account_id, mode, now, own.get(mode, DEFAULT)) for mode in done]
            values = {"account_id": account_id, "modes": done, "due": due, "as_of": as_of}
            driver(connection).cursor().execute(query("record_success"), values)

    def hasten_trails(self, account_id: int) -> None:
        """Let the account's audit trails be due now, unless they have been read once."""
        with self._database.transaction() as connection:
            c = cadences.c
            chosen = (c.account_id == account_id) & (c.mode == "trails") & c.succeeded_at.is_(None)
            now = self._now(connection)
            connection.execute(update(cadences).where(chosen, c.next_due_at > now).values(next_due_at=now))

    def backlog(self) -> dict[Cadence, Backlog]:
        """What waits, by mode: modes in which nothing was ever due or requested are missing."""
        with self._database.autocommit() as connection:
            rows = driver(connection).cursor().execute(query("backlog"), {"now": self.now}).fetchall()
        return {row[0]: Backlog(*row) for row in rows}

    def of(self, account_id: int) -> list[CadenceState]:
        """Every mode of one account that was ever due, requested or done."""
        with self._database.autocommit() as connection:
            return _states(connection, account_id)

    def own(self) -> dict[int, dict[Cadence, Schedule]]:
        """The schedules of accounts that have some of their own, by mode."""
        is_own = cadences.c.every.is_not(None) | cadences.c.at.is_not(None)
        columns = (cadences.c.account_id, cadences.c.mode, cadences.c.every, cadences.c.at)
        found: dict[int, dict[Cadence, Schedule]] = {}
        with self._database.autocommit() as connection:
            for row in connection.execute(select(*columns).where(is_own).order_by(*_KEY)):
                account_id, mode, every, at = values_of(row)
                found.setdefault(account_id, {})[mode] = Schedule(every, at)
        return found

    def reserve_place(self, free: Collection[int]) -> int | None:
        """Reserve one of these places for a run that is about to be requested; None when others have been faster."""
        for place in sorted(free):
            if self._run("reserve_place", {"place": place, "reserve": _RESERVE}) is not None:
                return place
        return None

    def free_place(self, place: int) -> None:
        """End a reservation early: the run that it was for has started."""
        self._run("free_place", {"place": place})

    def _now(self, connection: Connection) -> datetime:
        moment: datetime = self.now or connection.execute(select(func.clock_timestamp())).scalar_one()
        return moment

    def _run(self, name: str, values: dict[str, Any]) -> Any:
        with self._database.autocommit() as connection:
            cursor = driver(connection).cursor().execute(query(name), values)
            return cursor.fetchone() if cursor.description else None


_KEY = (cadences.c.account_id, cadences.c.mode)


def request_of(account_id: int, mode: Cadence) -> Insert:
    """The statement that requests a sync, for a transaction of the caller's."""
    new = insert(cadences).values(account_id=account_id, mode=mode, requested_at=func.clock_timestamp())
    return new.on_conflict_do_update(index_elements=list(_KEY), set_={"requested_at": func.clock_timestamp()})


def _states(connection: Connection, account_id: int) -> list[CadenceState]:
    c = cadences.c
    columns = (c.mode, c.every, c.at, c.next_due_at, c.requested_at, c.succeeded_at)
    rows = connection.execute(select(*columns).where(c.account_id == account_id).order_by(c.mode))
    return [
        CadenceState(mode, Schedule(every, at), *times) for mode, every, at, *times in (values_of(row) for row in rows)
    ]
