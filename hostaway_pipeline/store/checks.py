"""Answers the asset checks: is every active account's copy complete? Reads what syncs recorded, not Hostaway."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Select, func, select
from sqlalchemy.dialects import postgresql

from hostaway_pipeline.domain.account_names import account_label
from hostaway_pipeline.domain.calendar import CALENDAR
from hostaway_pipeline.domain.entities import MESSAGES
from hostaway_pipeline.domain.trail_entries import TRAIL_SAMPLE, TRAILS
from hostaway_pipeline.store.database import Database, driver, query, values_of
from hostaway_pipeline.store.schema import ENTITY_TABLES, accounts, calendar_days, reservation_versions, sweeps

_DIALECT: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

# Hostaway retries a delivery for about an hour.
_SILENT_AFTER = timedelta(hours=2)
# How many conversations a finding names, and in how many accounts: finding them reads all messages of the account.
_MAX_NAMED, _EXAMINED = 3, 20
# A day between two nightly reconciles, and some hours for a long one.
_STALE_AFTER = timedelta(hours=28)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with one account, or with none in particular, in a sentence."""

    account_id: int | None
    what: str

    def text(self, names: Mapping[int, str]) -> str:
        """The sentence with its account, whose name may be among `names`."""
        if self.account_id is None:
            return self.what
        return f"{account_label(self.account_id, names.get(self.account_id))}: {self.what}"


@dataclass(frozen=True, slots=True)
class ColumnDescription:
    """One column of an entity's table, as Dagster's catalogue shows it."""

    name: str
    type: str
    description: str | None
    is_nullable: bool


class AccountHealth(NamedTuple):
    """Numbers of active accounts; `paused`, `stale`: those among them that need a look."""

    active: int
    paused: int
    stale: int
    database_bytes: int


class Checks:
    """Each method returns what is wrong with active accounts; an empty list means that the check passes.

    `are_webhooks_wanted`: whether the receiver has a public URL at which Hostaway can deliver.
    """

    def __init__(
        self,
        database: Database,
        *,
        are_webhooks_wanted: bool = False,
        refresh_stale_after: timedelta = timedelta(hours=4),
    ) -> None:
        self._refresh_stale_after = refresh_stale_after
        self._database = database
        self._are_webhooks_wanted = are_webhooks_wanted

    def untrusted_sweeps(self, entity: str) -> list[Finding]:
        """Accounts whose newest sweep of this entity was incomplete, or held deletions back."""
        columns = (sweeps.c.account_id, sweeps.c.reason)
        chosen = (sweeps.c.entity == entity) & sweeps.c.reason.is_not(None)
        with self._database.transaction() as connection:
            return [Finding(*values_of(row)) for row in connection.execute(_of_active(select(*columns).where(chosen)))]

    def count_mismatches(self, entity: str) -> list[Finding]:
        """Accounts whose table held another number of live rows than Hostaway counted or, without a count, showed."""
        counted = func.coalesce(sweeps.c.server_count, sweeps.c.seen_count)
        columns = (sweeps.c.account_id, sweeps.c.table_count, counted)
        differs = sweeps.c.table_count != counted
        with self._database.transaction() as connection:
            rows = connection.execute(_of_active(select(*columns).where(sweeps.c.entity == entity, differs)))
            findings = [Finding(row[0], f"{row[1]} rows in the table, {row[2]} at Hostaway") for row in rows]
            if entity != MESSAGES.name:
                return findings
            named = [replace(f, what=f"{f.what}{_miscounted(connection, f.account_id)}") for f in findings[:_EXAMINED]]
            return named + findings[_EXAMINED:]

    def unsettled_rows(self, entity: str) -> list[Finding]:
        """Accounts with rows in doubt: their time lies ahead of ours, or no read has settled them for a day."""
        rows = self._fetch("unsettled_rows", {}, entity)
        return [Finding(account_id, _how_unsettled(*rest)) for account_id, *rest in rows]

    def silent_webhooks(self) -> list[Finding]:
        """Accounts whose webhook is missing or disabled, or brought nothing although reservations have changed."""
        if not self._are_webhooks_wanted:
            return []
        rows = self._fetch("silent_webhooks", {"silent_after": _SILENT_AFTER})
        return [Finding(row[0], text) for row in rows if (text := _webhook_problem(*row[1:])) is not None]

    def account_health(self) -> AccountHealth:
        [found] = self._fetch("account_health", {"stale_after": _STALE_AFTER})
        return AccountHealth(*found)

    def stale_accounts(self) -> list[Finding]:
        """Accounts that are paused after failures, or whose copy was last proven complete before the last night."""
        rows = self._fetch("stale_accounts", {"stale_after": _STALE_AFTER})
        return [Finding(account_id, _how_stale(*rest)) for account_id, *rest in rows]

    def stale_refreshes(self) -> list[Finding]:
        """Accounts whose newest refresh is older than HOSTAWAY_REFRESH_STALE_AFTER: the rate limit is too low."""
        rows = self._fetch("stale_refreshes", {"stale_after": self._refresh_stale_after})
        return [Finding(account_id, f"refreshed last at {at:%Y-%m-%d %H:%M} UTC") for account_id, at in rows]

    def orphan_messages(self) -> list[Finding]:
        """Accounts whose newest sync left live messages whose conversation is missing or deleted."""
        columns = (sweeps.c.account_id, sweeps.c.orphan_count)
        with self._database.transaction() as connection:
            rows = connection.execute(_of_active(select(*columns).where(sweeps.c.orphan_count > 0)))
            return [Finding(row[0], f"{row[1]} messages without a conversation") for row in rows]

    def trail_differences(self) -> list[Finding]:
        """Accounts with reservations that, by their audit trails, never were what we saw."""
        statement = select(sweeps.c.account_id, sweeps.c.reason)
        is_odd = (sweeps.c.entity == TRAIL_SAMPLE) & sweeps.c.reason.is_not(None)
        with self._database.transaction() as connection:
            found = connection.execute(_of_active(statement).where(is_odd)).all()
        return [Finding(*values_of(row)) for row in found]

    def shared_addresses(self) -> list[Finding]:
        """Egress names that seem to stand for one outgoing IP address."""
        return [Finding(None, _how_shared(*row)) for row in self._fetch("shared_addresses", {})]

    def _fetch(self, name: str, values: Mapping[str, Any], entity: str | None = None) -> list[tuple[Any, ...]]:
        with self._database.transaction() as connection:
            return driver(connection).cursor().execute(query(name, entity), values).fetchall()


def describe_columns(entity: str) -> list[ColumnDescription]:
    """The columns of the table of an entity, of the calendar, or of what trails become, in their order."""
    return [
        ColumnDescription(column.name, column.type.compile(_DIALECT).lower(), column.comment, bool(column.nullable))
        for column in (ENTITY_TABLES | {CALENDAR: calendar_days, TRAILS: reservation_versions})[entity].columns
    ]


def _of_active(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return (
        statement.join(accounts, accounts.c.account_id == sweeps.c.account_id)
        .where(accounts.c.is_active)
        .order_by(sweeps.c.account_id)
    )


def _miscounted(connection: Connection, account_id: int | None) -> str:
    """A few conversations in which Hostaway counted more or fewer messages than are here."""
    values = {"account_id": account_id, "most": _MAX_NAMED}
    rows = driver(connection).cursor().execute(query("counted_otherwise"), values).fetchall()
    return "".join(f"; conversation {row[0]}: {row[2]} here, {row[1]} counted" for row in rows)


def _how_stale(last_sync_at: datetime | None, failures: int, error: str | None) -> str:
    since = f"complete as of {last_sync_at:%Y-%m-%d %H:%M} UTC" if last_sync_at else "never complete yet"
    why = f"; failed {failures} times in a row" if failures else ""
    return f"{since}{why}" + (f": {error}" if error else "")


def _how_unsettled(is_ahead: bool, number: int, first_ids: list[int]) -> str:
    why = "Hostaway's time lies ahead of ours" if is_ahead else "clocks disagree, and no read has settled it for a day"
    ids = ", ".join(map(str, first_ids)) + (", …" if number > len(first_ids) else "")
    return f"{number} rows in doubt (ids {ids}): {why}"


def _how_shared(names: list[str], shared_at: datetime) -> str:
    return (
        f"the egress names {', '.join(names[:-1])} and {names[-1]} were refused together at {shared_at:%H:%M:%S} UTC, "
        "each below its own limit: they seem to share one IP address, so give these processes the same HOSTAWAY_EGRESS"
    )


def _webhook_problem(
    webhook_id: int | None, is_enabled: bool | None, heard_at: datetime, is_silent: bool | None
) -> str | None:
    if webhook_id is None:
        return "no webhook is registered at Hostaway"
    if is_enabled is False:
        return "Hostaway has disabled the webhook"
    if is_silent:
        return f"no event since {heard_at:%Y-%m-%d %H:%M} UTC, although reservations have changed"
    return None
