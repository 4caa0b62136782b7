"""What the asset checks ask: is every active account's copy complete? Reads records of syncs, not Hostaway."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, Dialect, Select, func, select
from sqlalchemy.dialects import postgresql

from hostaway_pipeline.domain.entities import MESSAGES
from hostaway_pipeline.store.database import Database, driver, query
from hostaway_pipeline.store.schema import ENTITY_TABLES, SCHEMA, accounts, reservations, sweeps, webhook_heads

_DIALECT: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

# Hostaway gives up on a delivery after about an hour.
_SILENT_AFTER = timedelta(hours=2)
# Conversations that a finding names.
_MOST_NAMED = 3
# A night's reconcile, and some hours for a long one.
_STALE_AFTER = timedelta(hours=28)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with one account, in a sentence."""

    account_id: int
    what: str


@dataclass(frozen=True, slots=True)
class ColumnDescription:
    name: str
    type: str
    description: str | None
    is_nullable: bool


class Checks:
    def __init__(self, database: Database, *, are_webhooks_wanted: bool = False) -> None:
        self._database = database
        self._are_webhooks_wanted = are_webhooks_wanted

    def untrusted_sweeps(self, entity: str) -> list[Finding]:
        """Accounts whose newest sweep of this entity was incomplete, or held deletions back."""
        columns = (sweeps.c.account_id, sweeps.c.reason)
        chosen = (sweeps.c.entity == entity) & sweeps.c.reason.is_not(None)
        with self._database.transaction() as connection:
            return [Finding(*row) for row in connection.execute(_of_active(select(*columns).where(chosen)))]

    def count_mismatches(self, entity: str) -> list[Finding]:
        """Accounts where the table held another number of live rows than Hostaway counted, or showed, uncounted."""
        counted = func.coalesce(sweeps.c.server_count, sweeps.c.seen_count)
        columns = (sweeps.c.account_id, sweeps.c.table_count, counted)
        differs = sweeps.c.table_count != counted
        with self._database.transaction() as connection:
            found = connection.execute(_of_active(select(*columns).where(sweeps.c.entity == entity, differs)))
            findings = [Finding(row[0], f"{row[1]} rows in the table, {row[2]} at Hostaway") for row in found]
            if entity != MESSAGES.name:
                return findings
            where = {one.account_id: _counted_otherwise(connection, one.account_id) for one in findings}
        return [replace(one, what=f"{one.what}{where[one.account_id]}") for one in findings]

    def unsettled_rows(self, entity: str) -> list[Finding]:
        """Accounts with rows whose time lies ahead of ours, or that no read has settled for a day."""
        table = sql.Identifier(SCHEMA, ENTITY_TABLES[entity].name)
        with self._database.transaction() as connection:
            cursor = driver(connection).cursor()
            found = cursor.execute(sql.SQL(query("unsettled_rows")).format(table=table).as_string(cursor)).fetchall()
        return [Finding(account_id, _how_unsettled(*rest)) for account_id, *rest in found]

    def silent_webhooks(self) -> list[Finding]:
        """Accounts whose webhook is off, or that heard nothing although reservations have been changing since."""
        if not self._are_webhooks_wanted:
            return []
        c = accounts.c
        heard = (
            select(func.max(webhook_heads.c.received_at))
            .where(webhook_heads.c.account_id == c.account_id)
            .correlate(accounts)
            .scalar_subquery()
        )
        since = func.coalesce(heard, c.created_at)
        changed = (
            select(func.max(reservations.c.updated_at))
            .where(reservations.c.account_id == c.account_id)
            .correlate(accounts)
            .scalar_subquery()
        )
        statement = (
            select(c.account_id, c.webhook_id, c.webhook_enabled, since, changed - since > _SILENT_AFTER)
            .where(c.is_active)
            .order_by(c.account_id)
        )
        with self._database.transaction() as connection:
            rows = connection.execute(statement).all()
        return [Finding(row[0], text) for row in rows if (text := _what_is_wrong(*row[1:])) is not None]

    def stale_accounts(self) -> list[Finding]:
        """Accounts that are paused after failures, or whose copy was not proven complete since the night before."""
        with self._database.transaction() as connection:
            rows = (
                driver(connection).cursor().execute(query("stale_accounts"), {"stale_after": _STALE_AFTER}).fetchall()
            )
        return [Finding(account_id, _how_stale(*rest)) for account_id, *rest in rows]

    def orphan_messages(self) -> list[Finding]:
        with self._database.transaction() as connection:
            found = driver(connection).cursor().execute(query("orphan_messages"))
            return [Finding(account_id, f"{count} messages without a conversation") for account_id, count in found]


def describe_columns(entity: str) -> list[ColumnDescription]:
    """The columns of an entity's table, as the catalogue of the operator shows them."""
    return [
        ColumnDescription(column.name, column.type.compile(_DIALECT).lower(), column.comment, bool(column.nullable))
        for column in ENTITY_TABLES[entity].columns
    ]


def _of_active(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return (
        statement.join(accounts, accounts.c.account_id == sweeps.c.account_id)
        .where(accounts.c.is_active)
        .order_by(sweeps.c.account_id)
    )


def _counted_otherwise(connection: Connection, account_id: int) -> str:
    """The conversations that Hostaway counts otherwise than we do, a few of them by name."""
    values = {"account_id": account_id, "most": _MOST_NAMED}
    found = driver(connection).cursor().execute(query("counted_otherwise"), values).fetchall()
    return "".join(f"; conversation {row[0]}: {row[2]} here, {row[1]} counted" for row in found)


def _how_stale(last_sync_at: datetime | None, failures: int, error: str | None) -> str:
    since = f"complete as of {last_sync_at:%Y-%m-%d %H:%M} UTC" if last_sync_at else "never complete yet"
    why = f"; failed {failures} times in a row" if failures else ""
    return f"{since}{why}" + (f": {error}" if error else "")


def _how_unsettled(is_ahead: bool, number: int, first_ids: list[int]) -> str:
    why = "Hostaway's time lies ahead of ours" if is_ahead else "clocks disagree, and no read has settled it for a day"
    ids = ", ".join(map(str, first_ids)) + (", …" if number > len(first_ids) else "")
    return f"{number} rows in doubt (ids {ids}): {why}"


def _what_is_wrong(
    webhook_id: int | None, is_enabled: bool | None, since: datetime | None, is_silent: bool | None
) -> str | None:
    if webhook_id is None:
        return "no webhook is registered at Hostaway"
    if is_enabled is False:
        return "Hostaway has disabled the webhook"
    if is_silent:
        return f"no event since {since:%Y-%m-%d %H:%M} UTC, although reservations have changed"
    return None
