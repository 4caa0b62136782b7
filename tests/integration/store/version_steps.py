"""Steps of the tests of versions: merge payloads as reads, and look at what was superseded."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from hostaway_pipeline.domain.entities import RESERVATIONS, Entity
from hostaway_pipeline.store.copy.merge import Owner, merge
from tests.factories import rows

Put = Callable[..., None]
LINES = [{"name": "baseRate", "type": "accommodation", "total": 200, "isIncludedInTotalPrice": 1}]


def at(hour: int, day: int = 2) -> str:
    return f"2026-06-{day:02} {hour:02}:00:00"


def instant(hour: int, day: int = 2) -> datetime:
    return datetime(2026, 6, day, hour, tzinfo=UTC)


def merge_into(connection: Connection, *payloads: dict[str, Any], entity: Entity = RESERVATIONS) -> None:
    found = [row for payload in payloads if (row := entity.row(payload, datetime.now(UTC))) is not None]
    merge(connection, entity, found, Owner(1, UUID(int=7)), is_read=True)


def versions_of(url: str, reservation_id: int = 1) -> list[dict[str, Any]]:
    query = "SELECT * FROM hostaway.reservation_versions WHERE account_id = 1 AND reservation_id = %s "
    return rows(url, query + "ORDER BY version_id", reservation_id)
