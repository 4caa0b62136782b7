"""The copy and its superseded states together tell what Hostaway had on any day of a scripted year."""

from bisect import bisect_right
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import orjson
import pytest

from hostaway_pipeline.domain.entities import RESERVATIONS
from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.domain.finance_lines import read_lines
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.traffic import update_reservation
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.schema import reservation_versions, reservations
from hostaway_pipeline.sync.push.drain import drain
from tests.factories import OpenSandbox, OpenServices, add_account, rows, synced

ACCOUNT = 1
START = datetime(2025, 10, 1, tzinfo=UTC)
STEPS, CHANGES, ASKED = 45, 5, 50
COLUMNS = [name for name in RESERVATIONS.columns if name in reservation_versions.c]
LINE = ("name", "type", "total", "is_included", "is_deleted")
State = dict[str, Any]


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:4:25", today="2025-09-01")


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    add_account(services, ACCOUNT)
    synced(services, ACCOUNT)
    return services


def test_every_day_of_a_year_is_told(sandbox: SandboxServer, services: Services, database_url: str) -> None:
    chance, account = Random(7), sandbox.world.account(ACCOUNT)
    past = [(START - timedelta(days=1), truth(account))]
    for number in range(STEPS):
        day = START + timedelta(days=number * 8 + chance.randint(0, 3))
        for change in range(CHANGES):
            clock = day + timedelta(hours=5 * change, minutes=chance.randint(0, 200))
            sandbox.faults.clock_skew = (clock - datetime.now(UTC)).total_seconds()
            if chance.random() < 0.15:
                account.add_reservation()
            else:
                update_reservation(account, chance.choice([*account.reservations]), chance)
        past.append((day, truth(account)))
        copy_changes(services, account, past[-2][1], chance)
    told = states(database_url)
    assert sum(len(history) - 1 for history in told.values()) > STEPS
    days = [day for day, _ in past]
    for _ in range(ASKED):
        day = START + timedelta(days=chance.randint(-1, STEPS * 8))
        found, wanted = as_of(told, day + timedelta(days=1)), past[bisect_right(days, day) - 1][1]
        assert found.keys() == wanted.keys()
        for object_id, state in wanted.items():
            assert found[object_id] == state, (day, object_id)


def copy_changes(services: Services, account: Account, before: dict[int, State], chance: Random) -> None:
    """By a refresh, a reconcile, or webhooks, some of which lack the finance lines: the object is read by id then."""
    way = chance.choice(("webhooks", "webhooks", "refresh", "reconcile"))
    if way != "webhooks":
        synced(services, ACCOUNT, mode=way, entities=(RESERVATIONS.name,))
        return
    for object_id, state in truth(account).items():
        if state != before.get(object_id):
            payload = account.reservations[object_id].payload()
            if object_id in before and chance.random() < 0.2:
                del payload["financeField"]
            body = {"object": "reservation", "event": "reservation.updated", "accountId": ACCOUNT, "data": payload}
            services.inbox.accept([(parse_delivery(body), "request-1")])
    assert drain(services, lambda _: None, linger=0).is_alone


def truth(account: Account) -> dict[int, State]:
    """What is versioned of each reservation, as the sandbox has it."""
    found: dict[int, State] = {}
    for payload in account.truth("reservations"):
        row = RESERVATIONS.row(payload)
        assert row is not None
        columns = dict(zip(RESERVATIONS.columns, row.values, strict=True))
        lines = [{name: line[name] for name in LINE} for line in read_lines(payload).lines]
        found[row.id] = {name: columns[name] for name in COLUMNS} | {"finance_lines": as_json(lines)}
    return found


def states(url: str) -> dict[int, list[tuple[datetime | None, State]]]:
    """By reservation: every state with its start, the oldest first and the present last; none was deleted."""
    names = ", ".join(COLUMNS)
    kept = rows(url, f"SELECT reservation_id AS id, {names}, finance_lines, valid_from, valid_to, is_deleted "
                     f"FROM {reservation_versions} ORDER BY version_id")  # fmt: skip
    present = rows(url, f"SELECT id, {names}, deleted_at IS NOT NULL AS is_deleted FROM {reservations}")
    lines = rows(url, "SELECT * FROM hostaway.reservation_finance_lines ORDER BY reservation_id, line_no")
    lines_of = defaultdict[int, list[State]](list)
    for line in lines:
        lines_of[line["reservation_id"]].append({name: line[name] for name in LINE})
    versions = defaultdict[int, list[State]](list)
    for row in [*kept, *(row | {"finance_lines": lines_of[row["id"]]} for row in present)]:
        assert not row["is_deleted"]
        versions[row["id"]].append(row)
    for history in versions.values():
        for earlier, later in reversed([*pairwise(history)]):
            later["valid_from"] = earlier["valid_to"]
            if earlier["finance_lines"] is None:
                earlier["finance_lines"] = later["finance_lines"]
    return {
        object_id: [
            (
                row.get("valid_from"),
                {name: row[name] for name in COLUMNS} | {"finance_lines": as_json(row["finance_lines"])},
            )
            for row in history
        ]
        for object_id, history in versions.items()
    }


def as_of(told: dict[int, list[tuple[datetime | None, State]]], moment: datetime) -> dict[int, State]:
    found: dict[int, State] = {}
    for object_id, history in told.items():
        for start, state in history:
            if (start or state["inserted_at"]) <= moment:
                found[object_id] = state
    return found


def as_json(lines: list[State]) -> str:
    """As text that does not depend on the type of numbers or the order of keys."""
    return orjson.dumps(
        [line | {"total": float(line["total"])} for line in lines], option=orjson.OPT_SORT_KEYS
    ).decode()
