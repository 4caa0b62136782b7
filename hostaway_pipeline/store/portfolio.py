"""Reads the figures of the portfolio report: the marts, and of when each account's copy is. Nothing of a guest."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Cursor
from psycopg.rows import dict_row

from hostaway_pipeline.errors import AccountError, ModelsMissing
from hostaway_pipeline.store.database import Database, driver, query

Row = dict[str, Any]
# The newest models stand for all: a build makes every table.
_NEEDED = ("kpi_account_month", "kpi_pace", "mart_data_quality", "rec_totals", "rec_differences")
# More rows than a page shows well.
_HEAT_ROWS = 60


@dataclass(frozen=True)
class Period:
    """The months of a report, each by its first day. `pace`: those whose curve of bookings is compared."""

    today: date
    first: date
    last_month: date
    this_month: date
    last: date
    pace: tuple[date, ...]


@dataclass(frozen=True)
class Figures:
    """Rows of the queries of the same names. `rows`: by listing if there is one account, else by account."""

    accounts: list[Row]
    rows: list[Row]
    months: list[Row]
    money: list[Row]
    channels: list[Row]
    stays: list[Row]
    responses: list[Row]
    quality: list[Row]
    pace: list[Row]
    reconciled: list[Row]
    reasons: list[Row]
    read_at: datetime

    @property
    def is_by_listing(self) -> bool:
        return len(self.accounts) == 1


def read_figures(database: Database, period: Period, account_id: int | None = None) -> Figures:
    """Of all active accounts together, or of one account, all as of one moment.

    Raises AccountError for an account that is not known, ModelsMissing before the first build, DatabaseUnavailable.
    """
    with database.transaction() as connection:
        cursor = driver(connection).cursor(row_factory=dict_row)
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        missing = [name for name in _NEEDED if not _exists(cursor, name)]
        if missing:
            raise ModelsMissing(f"marts.{missing[0]} does not exist yet: run `hostaway marts build`")
        accounts = cursor.execute(query("report_accounts"), {"account_id": account_id}).fetchall()
        if account_id is not None and not accounts:
            raise AccountError(f"account {account_id} is not known")
        values = {
            "accounts": [row["account_id"] for row in accounts],
            "first": period.first,
            "last_month": period.last_month,
            "this_month": period.this_month,
            "last": period.last,
            "rows": _HEAT_ROWS,
            "pace_months": list(period.pace),
        }

        def read(name: str) -> list[Row]:
            return cursor.execute(query(f"report_{name}"), values).fetchall()

        return Figures(
            accounts=accounts,
            rows=read("listing_months" if len(accounts) == 1 else "account_months"),
            months=read("months"),
            money=read("money"),
            channels=read("channels"),
            stays=read("stays"),
            responses=read("responses"),
            quality=read("quality"),
            pace=read("pace"),
            reconciled=read("reconciled"),
            reasons=read("reasons"),
            read_at=_moment(cursor),
        )


def _exists(cursor: Cursor[Row], table: str) -> bool:
    found = cursor.execute("SELECT to_regclass(%s) IS NOT NULL AS found", (f"marts.{table}",)).fetchone()
    return found is not None and bool(found["found"])


def _moment(cursor: Cursor[Row]) -> datetime:
    row = cursor.execute("SELECT now() AS now").fetchone()
    assert row is not None  # noqa: S101 (a SELECT without FROM returns one row)
    moment: datetime = row["now"]
    return moment
