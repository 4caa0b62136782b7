"""Repeats the rows of one_day.py as the rows of many days, in both databases, each with the times of its day.

Rows are inserted as the runs left them, with run ids, ids and accounts of their own. What is kept for longer than a
month is repeated, too; what is written over, such as an account's newest sweep, is not.
"""

from datetime import timedelta
from hashlib import sha1
from typing import Any

import psycopg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus

from bench.one_day import ACCOUNTS, FLEET, REFRESHES, TICKS, Kind, Place
from hostaway_pipeline.wiring import DAGSTER_DATABASE, DATABASE

# Of our tables: how often the rows of a kind of run come in a day of 1,300 accounts, other than as often as the run.
_OF_RUNS = {"refresh": REFRESHES * FLEET // ACCOUNTS}
_EVENTS = ("webhook_events", "webhook_heads", "reservation_versions")
_KEEP = """
    CREATE SCHEMA template;
    CREATE TABLE template.runs AS SELECT * FROM runs WHERE run_id = ANY(%(runs)s);
    CREATE TABLE template.run_tags AS SELECT * FROM run_tags WHERE run_id = ANY(%(runs)s);
    CREATE TABLE template.event_logs AS SELECT * FROM event_logs WHERE run_id = ANY(%(runs)s);
    CREATE TABLE template.asset_check_executions AS SELECT * FROM asset_check_executions WHERE run_id = ANY(%(runs)s);
    CREATE TABLE template.asset_event_tags AS
        SELECT run_id, tag.* FROM asset_event_tags AS tag JOIN template.event_logs AS event ON event.id = event_id;
    CREATE TABLE template.job_ticks AS SELECT * FROM job_ticks;
    DELETE FROM job_ticks;
"""
_COPIES = """
    CREATE TEMP TABLE copies AS
    SELECT kind.run_id, md5(format('%%s %%s %%s', kind.run_id, %(day)s::int, copy))::uuid::text AS new_id,
           (%(day)s * 1000 + copy) * %(span)s AS later, %(ago)s + (1 - copy / number::float) * interval '1 day' AS ago,
           copy * %(shift)s AS shift
    FROM unnest(%(runs)s::text[], %(numbers)s::int[]) AS kind (run_id, number), generate_series(1, number) AS copy
"""
# What differs in the copy of a row, by column; all other columns are the same.
_CHANGED = {
    "runs": {
        "run_id": "new_id", "run_body": "replace(run_body, run_id, new_id)",
        "create_timestamp": "create_timestamp - ago", "update_timestamp": "update_timestamp - ago",
        "start_time": "start_time - extract(epoch FROM ago)", "end_time": "end_time - extract(epoch FROM ago)",
    },
    "run_tags": {"run_id": "new_id"},
    "event_logs": {
        "id": "id + later", "run_id": "new_id", "event": "replace(event, run_id, new_id)",
        "timestamp": "timestamp - ago",
        "partition": "(mod(partition::int - 1 + shift, {accounts}) + 1)::text",
    },
    "asset_check_executions": {
        "run_id": "new_id", "create_timestamp": "create_timestamp - ago",
        "evaluation_event_timestamp": "evaluation_event_timestamp - ago",
        "evaluation_event_storage_id": "evaluation_event_storage_id + later",
        "materialization_event_storage_id": "materialization_event_storage_id + later",
    },
    "asset_event_tags": {"event_id": "event_id + later", "event_timestamp": "event_timestamp - ago"},
}  # fmt: skip
_TICKS = """
    INSERT INTO job_ticks
        (job_origin_id, selector_id, status, type, timestamp, tick_body, create_timestamp, update_timestamp)
    SELECT job_origin_id, selector_id, status, type, timestamp - ago, tick_body, create_timestamp - ago,
           update_timestamp - ago
    FROM template.job_ticks JOIN unnest(%(ids)s::text[], %(states)s::text[], %(numbers)s::int[])
        AS kind (selector_id, status, number) USING (selector_id, status),
    generate_series(1, number) AS copy,
    LATERAL (SELECT %(ago)s + (1 - copy / number::float) * interval '1 day') AS moment (ago)
"""


class Days:
    """`accounts`: how many there are, a multiple of those of the runs; each day has their share of what 1,300 leave."""

    def __init__(self, made: Place, kinds: list[Kind], accounts: int) -> None:
        self._made, self._accounts, self._share = made, accounts, accounts / FLEET
        self._runs = [kind.run_id for kind in kinds]
        self._numbers = [self._of(kind.a_day) for kind in kinds]
        self._our_numbers = {kind.run_id: self._of(_OF_RUNS.get(kind.name, kind.a_day)) for kind in kinds}
        self._drainers = next(self._of(kind.a_day) for kind in kinds if kind.name == "webhooks")
        self._ticks = [
            (selector_of(name), status.value, self._of(number))
            for name, numbers in TICKS.items()
            for status, number in zip((TickStatus.SKIPPED, TickStatus.SUCCESS), numbers, strict=True)
            if number
        ]
        self._keep()

    def add(self, day: int, ago: timedelta) -> None:
        """Insert the rows of a day that ended `ago`. `day`: another number each time."""
        with self._connect(DAGSTER_DATABASE) as connection:
            (span,) = connection.execute("SELECT max(id) FROM template.event_logs").fetchone() or (0,)
            values = {"day": day, "span": span, "ago": ago, "shift": ACCOUNTS, "runs": self._runs}
            connection.execute(_COPIES, values | {"numbers": self._numbers})
            for table, changed in _CHANGED.items():
                self._repeat(connection, table, changed)
            ids, states, numbers = (list(column) for column in zip(*self._ticks, strict=True))
            connection.execute(_TICKS, {"ids": ids, "states": states, "numbers": numbers, "ago": ago})
        with self._connect(DATABASE) as connection:
            connection.execute("SET session_replication_role = replica")
            values = {"day": day, "ago": ago}
            for run_id, number in self._our_numbers.items():
                of_run = values | {"number": number, "run": run_id}
                self._repeat_ours(connection, "sync_runs", of_run, "dagster_run_id = %(run)s")
            for table in _EVENTS:
                self._repeat_ours(connection, table, values | {"number": self._drainers})

    def purge_ticks(self, ago: timedelta) -> None:
        """As Dagster's daemon does after each tick, by dagster.yaml. `ago`: when that is."""
        instance, now = self._made.instance, self._made.now()
        for name in TICKS:
            settings = instance.get_tick_retention_settings(type_of(name))
            for status, days in settings.items():
                before = (now - ago - timedelta(days=days)).timestamp()
                instance.purge_ticks(selector_of(name), selector_of(name), before, [status])

    def _of(self, number: int) -> int:
        return max(1, round(number * self._share))

    def _connect(self, database: str) -> "psycopg.Connection[Any]":
        return psycopg.connect(self._made.urls[database])

    def _keep(self) -> None:
        """Put the rows to repeat aside, and set the stage: all accounts, with their cadences and partitions."""
        made = self._made
        for name in TICKS:
            for status in (TickStatus.SKIPPED, TickStatus.SUCCESS):
                made.instance.create_tick(tick_of(name, status, made.now().timestamp(), self._runs[0]))
        with psycopg.ClientCursor(self._connect(DAGSTER_DATABASE)) as cursor:
            cursor.execute(_KEEP, {"runs": self._runs})
            cursor.connection.commit()
        with self._connect(DATABASE) as connection:
            connection.execute("CREATE SCHEMA template")
            for table in ("sync_runs", *_EVENTS):
                connection.execute(f"CREATE TABLE template.{table} AS SELECT * FROM hostaway.{table}".encode())
            connection.execute(
                "INSERT INTO hostaway.accounts (account_id, client_secret, last_sync_at) "
                "SELECT number, client_secret, now() "
                "FROM hostaway.accounts, generate_series(%s::int, %s) AS number WHERE account_id = 1",
                (ACCOUNTS + 1, self._accounts),
            )
        made.services.cadences.plan_missing()
        made.instance.add_dynamic_partitions("accounts", [str(number) for number in range(1, self._accounts + 1)])

    def _repeat(self, connection: "psycopg.Connection[Any]", table: str, changed: dict[str, str]) -> None:
        names = columns(connection, "public", table)
        names = [name for name in names if name != "id" or name in changed]
        values = ", ".join(changed.get(name, name).format(accounts=self._accounts) for name in names)
        listed = ", ".join(names)
        select = f"SELECT {values} FROM template.{table} JOIN copies USING (run_id)"
        connection.execute(f"INSERT INTO {table} ({listed}) {select}".encode())

    def _repeat_ours(
        self, connection: "psycopg.Connection[Any]", table: str, values: dict[str, Any], which: str = "TRUE"
    ) -> None:
        """Each event is of an object of its own: so there are never fewer heads than in reality."""
        names = columns(connection, "hostaway", table)
        times = columns(connection, "hostaway", table, "timestamp with time zone")
        changed = {
            "account_id": f"mod(account_id - 1 + copy * {ACCOUNTS}, {self._accounts}) + 1",
            "object_id": "object_id + (%(day)s * 1000 + copy) * 10000000000",
            "reservation_id": "reservation_id + (%(day)s * 1000 + copy) * 10000000000",
            **{name: f"{name} - ago" for name in times},
        }
        chosen = ", ".join(changed.get(name, name) for name in names)
        connection.execute(
            f"INSERT INTO hostaway.{table} ({', '.join(names)}) SELECT {chosen} FROM template.{table}, "
            "generate_series(1, %(number)s) AS copy, "
            "LATERAL (SELECT %(ago)s + (1 - copy / %(number)s::float) * interval '1 day') AS moment (ago) "
            f"WHERE {which}".encode(),
            values,
        )


def columns(connection: "psycopg.Connection[Any]", schema: str, table: str, kind: str | None = None) -> list[str]:
    """The columns that an insert gives, or those of that type."""
    found = connection.execute(
        "SELECT format('%%I', column_name) FROM information_schema.columns WHERE table_schema = %(schema)s "
        "AND table_name = %(table)s AND is_identity = 'NO' AND data_type = coalesce(%(kind)s, data_type)",
        {"schema": schema, "table": table, "kind": kind},
    )
    return [str(name) for (name,) in found]


def type_of(name: str) -> InstigatorType:
    return InstigatorType.SCHEDULE if name.endswith(("_schedule", "frequent_build")) else InstigatorType.SENSOR


def selector_of(name: str) -> str:
    return sha1(name.encode()).hexdigest()


def tick_of(name: str, status: TickStatus, at: float, run_id: str) -> TickData:
    is_skipped = status == TickStatus.SKIPPED
    return TickData(
        instigator_origin_id=selector_of(name),
        instigator_name=name,
        instigator_type=type_of(name),
        status=status,
        timestamp=at,
        end_timestamp=at,
        selector_id=selector_of(name),
        skip_reason="120 due, the latest by 0:01:12; 1 at work on them" if is_skipped else None,
        run_ids=[] if is_skipped else [run_id],
    )
