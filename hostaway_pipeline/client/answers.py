"""Hostaway's answers without their envelope: a page of a list, or one object."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `count` is Hostaway's count of the whole list, where it gives one.

    `read_at` is the moment of the request, by the database's clock: the answer is no older than that. `dropped`: how
    many elements were no objects, and are not among the rows.
    """

    rows: list[Mapping[str, Any]]
    count: int | None
    read_at: datetime | None = None
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class ApiObject:
    """One object, and the moment of its request by the database's clock."""

    payload: Mapping[str, Any]
    read_at: datetime
