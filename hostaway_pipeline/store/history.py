"""The past of reservations from Hostaway's audit trails: which are to be read, and the versions that come out of them.

Versions of what was seen here are written by triggers: see migration 0018.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg.rows import dict_row
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hostaway_pipeline.domain.trail_entries import TRAIL_SAMPLE, TRAILS, VERSIONED, Trail
from hostaway_pipeline.domain.trail_sample import COMPARED, Span
from hostaway_pipeline.domain.trails import Line, PastVersion, Replay, State, replay
from hostaway_pipeline.store.copy.sweeps import SweepRecord, record_sweep
from hostaway_pipeline.store.database import Database, driver, query
from hostaway_pipeline.store.schema import reservation_trails, reservation_versions, reservations, sweeps


class TrailAnswer(NamedTuple):
    """`trail`: None if it could not be read. `read_at`: when it was asked for, by the database's clock."""

    reservation_id: int
    trail: Trail | None
    read_at: datetime


class Moved(NamedTuple):
    """A reservation: Hostaway's time of its present state, that state by column, and the states that we saw before."""

    reservation_id: int
    updated_at: datetime | None
    present: Mapping[str, Any]
    seen: list[Span]


class History:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> datetime:
        return self._database.now()

    def trails_to_read(self, account_id: int, most: int) -> tuple[list[int], int]:
        """Ids of reservations, the latest stays first, and how many there are in all."""
        with self._database.transaction() as connection:
            values = {"account_id": account_id, "most": most}
            found = driver(connection).cursor().execute(query("trails_to_read"), values).fetchall()
        return [row[0] for row in found], found[0][1] if found else 0

    def write_trails(self, account_id: int, answers: Sequence[TrailAnswer]) -> int:
        """Replay trails and store what comes out, in one transaction; returns the number of versions."""
        return self._database.run(lambda connection: _write(connection, account_id, answers))

    def record_progress(self, account_id: int, started_at: datetime, left: int, problem: str | None) -> SweepRecord:
        """Record how far the account's trails are read, as the newest sweep of `trails`."""

        def record(connection: Connection) -> SweepRecord:
            chosen = select(func.count()).where(reservation_trails.c.account_id == account_id)
            read: int = connection.execute(chosen).scalar_one()
            found = SweepRecord(
                entity=TRAILS,
                started_at=started_at,
                is_complete=not left,
                server_count=read + left,
                seen_count=read,
                held_back=0,
                reason=problem,
            )
            record_sweep(connection, account_id, found, table_count=read)
            return found

        return self._database.run(record)

    def moved(self, account_id: int, most: int) -> list[Moved]:
        """A few reservations that changed here in the last week, at random, with all that we saw of them."""
        values = {"account_id": account_id, "most": most}
        with self._database.transaction() as connection:
            cursor = driver(connection).cursor(row_factory=dict_row)
            found = cursor.execute(query("moved_reservations"), values).fetchall()
            return [
                Moved(row["id"], row["source_updated_at"], row, _seen(connection, account_id, row["id"]))
                for row in found
            ]

    def record_sample(self, account_id: int, started_at: datetime, compared: int, differing: Sequence[int]) -> None:
        """Record how many reservations were compared with their trails, and which of them differ."""
        named = ", ".join(str(reservation_id) for reservation_id in differing)
        record = SweepRecord(
            entity=TRAIL_SAMPLE,
            started_at=started_at,
            is_complete=not differing,
            server_count=compared,
            seen_count=compared - len(differing),
            held_back=0,
            reason=f"reservations that were not what their trails say: {named}" if differing else None,
        )
        self._database.run(lambda connection: record_sweep(connection, account_id, record, table_count=compared))

    def progress(self) -> dict[int, tuple[int, int]]:
        """How many trails were read and how many there are to read in all, by account."""
        columns = (sweeps.c.account_id, sweeps.c.seen_count, sweeps.c.server_count)
        with self._database.transaction() as connection:
            found = connection.execute(select(*columns).where(sweeps.c.entity == TRAILS)).all()
        return {row[0]: (row[1], row[2]) for row in found}


def _write(connection: Connection, account_id: int, answers: Sequence[TrailAnswer]) -> int:
    values = {"account_id": account_id, "ids": [answer.reservation_id for answer in answers]}
    # In a statement of its own: the next one then sees what another transaction did while this one waited for it.
    chosen = (reservations.c.account_id == account_id) & (reservations.c.id == func.any(values["ids"]))
    connection.execute(select(reservations.c.id).where(chosen).order_by("id").with_for_update(key_share=True))
    cursor = driver(connection).cursor(row_factory=dict_row)
    bases = {row["id"]: row for row in cursor.execute(query("trail_bases"), values)}
    rows: list[dict[str, Any]] = []
    read: list[dict[str, Any]] = []
    for answer in answers:
        base = bases.get(answer.reservation_id)
        if base is None:
            continue
        key = {"account_id": account_id, "reservation_id": answer.reservation_id}
        outcome, versions = "failed", list[PastVersion]()
        if answer.trail is not None:
            replayed = _replay(base, answer.trail)
            outcome, versions = replayed.outcome, replayed.versions
        entries = answer.trail.entries if answer.trail is not None else 0
        read.append({**key, "outcome": outcome, "entries": entries, "read_at": answer.read_at})
        rows += [key | _row(version, answer.read_at) for version in versions]
        if versions and base["first_version"] is not None:
            _chain(connection, account_id, answer.reservation_id, base["first_version"], versions[-1].valid_to)
    if rows:
        connection.execute(insert(reservation_versions), rows)
    if read:
        new = upsert(reservation_trails)
        changed = {name: new.excluded[name] for name in ("outcome", "entries", "read_at")}
        connection.execute(
            new.on_conflict_do_update(index_elements=["account_id", "reservation_id"], set_=changed), read
        )
    return len(rows)


def _seen(connection: Connection, account_id: int, reservation_id: int) -> list[Span]:
    c = reservation_versions.c
    columns = [c[name] for name in (*COMPARED, "is_dates_unspecified")]
    chosen = (c.account_id == account_id) & (c.reservation_id == reservation_id) & (c.source == "copy") & ~c.is_deleted
    found = connection.execute(
        select(*columns, c.valid_from, c.valid_to).where(chosen).order_by(c.valid_to, c.version_id)
    )
    return [
        Span({str(name): row[name] for name in row}, row["valid_from"], row["valid_to"]) for row in found.mappings()
    ]


def _replay(base: dict[str, Any], trail: Trail) -> Replay:
    state = State({name: base[name] for name in VERSIONED}, base["finance_lines"])
    return replay(trail, state, known_at=base["known_at"], until=base["until"])


def _row(version: PastVersion, read_at: datetime) -> dict[str, Any]:
    lines = version.state.lines
    return {
        **{name: version.state.values.get(name) for name in VERSIONED},
        "finance_lines": None if lines is None else [_as_json(line) for line in lines],
        "is_deleted": False,
        "valid_from": version.valid_from,
        "valid_to": version.valid_to,
        "valid_to_source": "hostaway",
        "seen_at": read_at,
        "source": "hostaway_log",
        "is_reconstructed": version.is_reconstructed,
    }


def _as_json(line: Line) -> dict[str, Any]:
    return {**line, "total": None if line["total"] is None else float(line["total"])}


def _chain(connection: Connection, account_id: int, reservation_id: int, version_id: int, began_at: datetime) -> None:
    """Let the first version that was seen here begin where the newest of the trail ends."""
    c = reservation_versions.c
    chosen = (c.account_id == account_id) & (c.reservation_id == reservation_id) & (c.version_id == version_id)
    connection.execute(update(reservation_versions).where(chosen, c.valid_from.is_(None)).values(valid_from=began_at))
