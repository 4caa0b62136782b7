"""Bookings, nights and KPIs as pandas frames, for notebooks and tests. Only the schemas core and marts are read.

Nothing else imports this module: pandas costs a second at the start of a process.
"""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from operator import index
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.exports import NULL, Column, Model, Part, copied
from hostaway_pipeline.wiring import DATABASE, database_url

KpiTable = Literal[
    "listing_month",
    "listing_month_money",
    "account_month",
    "account_month_money",
    "channel_month",
    "pace",
    "conversion",
]
Block = bytes | bytearray | memoryview
Day = date | str
"""A date, or its text such as `2026-07-01`."""

_BOOKINGS = Model("core", "booking", dated_by="arrival_date")
_NIGHTS = Model("marts", "fct_reservation_nights", dated_by="stay_date")


def bookings(
    url: str | None = None, *, account_id: int | None = None, first: Day | None = None, last: Day | None = None
) -> pd.DataFrame:
    """One row per booking: core.booking, of arrivals from `first` to `last`, both included. See `kpis`."""
    return _frame(url, _BOOKINGS, account_id, first, last)


def nights(
    url: str | None = None, *, account_id: int | None = None, first: Day | None = None, last: Day | None = None
) -> pd.DataFrame:
    """One row per booking and night: marts.fct_reservation_nights, of dates from `first` to `last`. See `kpis`."""
    return _frame(url, _NIGHTS, account_id, first, last)


def kpis(
    table: KpiTable,
    url: str | None = None,
    *,
    account_id: int | None = None,
    first: Day | None = None,
    last: Day | None = None,
) -> pd.DataFrame:
    """One of the KPI tables, such as marts.kpi_account_month, of months that begin from `first` to `last`.

    `url`: of the database, as `hostaway db serve` prints it; by default the configured one. Integers are `Int64`, dates
    `datetime64`, times aware and in UTC, amounts and ratios `Decimal` objects, exactly as they are stored.

    Raises ValueError for an unknown table or a wrong date, ModelsMissing before the first build, DatabaseUnavailable,
    and ConfigurationError for a URL that is none.
    """
    if table not in get_args(KpiTable):
        raise ValueError(f"not a KPI table: {table!r}; there are {', '.join(get_args(KpiTable))}")
    return _frame(url, Model("marts", f"kpi_{table}", dated_by="month"), account_id, first, last)


def _frame(url: str | None, model: Model, account_id: int | None, first: Day | None, last: Day | None) -> pd.DataFrame:
    part = Part(None if account_id is None else index(account_id), _day(first), _day(last))
    database = Database(url or database_url(load_settings(), DATABASE, create=False), pool_size=1)
    try:
        with copied(database, model, part) as (columns, blocks):
            return _parsed(columns, blocks)
    finally:
        database.dispose()


def _day(value: Day | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value


class _Stream:
    """Lets pandas read blocks as a file, so that no more than a part of the text is in memory."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks

    def __iter__(self) -> Iterator[Block]:
        return self._blocks

    def read(self, size: int) -> bytes:
        """About `size` bytes, at least one row; nothing at the end."""
        taken, length = list[Block](), 0
        for block in self._blocks:
            taken.append(block)
            length += len(block)
            if length >= size - 8192:
                break
        return b"".join(taken)


def _parsed(columns: list[Column], blocks: Iterator[Block]) -> pd.DataFrame:
    """Parse each distinct value of a column once: money, dates and names repeat a hundred times."""
    plain = {column.name for column in columns if column.is_never_null and column.type in _INTEGERS}
    frame = pd.read_csv(
        _Stream(blocks),
        header=None,
        names=[column.name for column in columns],
        dtype={column.name: "int64" if column.name in plain else "object" for column in columns},
        na_values=[NULL],
        keep_default_na=False,
    )
    return pd.DataFrame({column.name: _typed(frame.pop(column.name), column) for column in columns})


def _typed(values: Any, column: Column) -> Any:
    """The column with its own type; `values` is a Series of integers, or one of texts."""
    if values.dtype != "object":
        return values.astype("Int64")
    codes, texts = pd.factorize(values)
    distinct = _READERS.get(column.type, _texts)(texts)
    if isinstance(distinct, np.ndarray):
        return distinct[codes]  # -1, the code of null, is the last place
    return distinct.take(codes, allow_fill=True)


def _whole_numbers(texts: Any) -> Any:
    return pd.array([int(text) for text in texts], dtype="Int64")


def _amounts(texts: Any) -> Any:
    """Objects, and None at the end: pandas would put a float NaN among them."""
    return np.array([*(Decimal(text) for text in texts), None], dtype=object)


def _floats(texts: Any) -> Any:
    return pd.array([float(text) for text in texts], dtype="Float64")


def _booleans(texts: Any) -> Any:
    return pd.array([text == "t" for text in texts], dtype="boolean")


def _days(texts: Any) -> Any:
    return pd.to_datetime(texts, format="ISO8601").as_unit("s").array


def _times(texts: Any) -> Any:
    return pd.to_datetime(texts, format="ISO8601", utc=True).as_unit("us").array


def _texts(texts: Any) -> Any:
    return pd.array(texts, dtype="str")


_INTEGERS = ("smallint", "integer", "bigint")
_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_INTEGERS, _whole_numbers),
    "numeric": _amounts,
    "double precision": _floats,
    "boolean": _booleans,
    "date": _days,
    "timestamp with time zone": _times,
}
"""How the distinct texts of a column become an array, by Postgres' type; all others stay text."""
