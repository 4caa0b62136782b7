"""Counts what was odd in the payloads that were merged, so that the data-quality mart and /metrics can name it."""

from collections.abc import Mapping
from typing import Any

import psycopg

from hostaway_pipeline.domain.entities import Entity
from hostaway_pipeline.domain.findings import Finding
from hostaway_pipeline.store.database import query


def record_findings(cursor: psycopg.Cursor[Any], entity: Entity, account_id: int, found: Mapping[Finding, int]) -> None:
    """Add to the counts; without findings it costs nothing."""
    if found:
        values = {
            "account_id": account_id,
            "entity": entity.name,
            "keys": [finding.key for finding in found],
            "findings": [finding.finding for finding in found],
            "rows": list(found.values()),
        }
        cursor.execute(query("record_findings"), values)
