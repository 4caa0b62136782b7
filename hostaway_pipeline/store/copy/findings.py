"""Counts what was odd in the payloads that were merged, so that the data-quality mart and /metrics can name it."""

from collections.abc import Iterable
from typing import Any

import psycopg

from hostaway_pipeline.domain.entities import Entity, Row
from hostaway_pipeline.domain.findings import findings
from hostaway_pipeline.store.database import query


def record_findings(cursor: psycopg.Cursor[Any], entity: Entity, account_id: int, rows: Iterable[Row]) -> None:
    found = sorted(findings(entity, rows).items())
    if found:
        values = {
            "account_id": account_id,
            "entity": entity.name,
            "keys": [finding.key for finding, _ in found],
            "findings": [finding.finding for finding, _ in found],
            "rows": [number for _, number in found],
        }
        cursor.execute(query("record_findings"), values)
