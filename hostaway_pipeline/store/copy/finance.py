"""Finance lines that were read by id, because lists lack them: which are missing, and how an answer is merged."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import FINANCE, RESERVATIONS, Row
from hostaway_pipeline.store.copy.merge import Owner, merge
from hostaway_pipeline.store.database import driver, query


class FinanceAnswer(NamedTuple):
    """Hostaway's lines of one reservation, and when they were asked for, by the database's clock."""

    lines: list[Mapping[str, Any]]
    asked_at: datetime | None


def finance_to_read(connection: Connection, account_id: int, most: int) -> list[int]:
    """Ids of reservations: see finance_to_read.sql."""
    values = {"account_id": account_id, "most": most}
    return [row[0] for row in driver(connection).cursor().execute(query("finance_to_read"), values)]


def merge_finance(connection: Connection, answers: Mapping[int, FinanceAnswer], owner: Owner) -> Counts:
    """Complete the stored payloads with these lines. Content that came after they were asked for is left alone."""
    values = {
        "account_id": owner.account_id,
        "ids": list(answers),
        "asked_at": [answer.asked_at for answer in answers.values()],
    }
    bases = driver(connection).cursor().execute(query("finance_bases"), values).fetchall()
    rows = list[Row]()
    for row_id, payload, source_time, read_at in bases:
        row = RESERVATIONS.row({**orjson.loads(payload), "id": row_id, FINANCE: answers[row_id].lines})
        if row is not None:  # the content keeps its times: only the lines are new
            times = {"source_updated_at": source_time, "read_at": read_at, "is_ahead": False}
            rows.append(replace(row, **times, finance_read_at=answers[row_id].asked_at))
    return merge(connection, RESERVATIONS, rows, owner, is_read=True)


def mark_finance_tried(connection: Connection, account_id: int, ids: Collection[int]) -> None:
    driver(connection).cursor().execute(query("finance_tried"), {"account_id": account_id, "ids": list(ids)})
