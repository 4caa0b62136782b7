"""Reads a few figures of the marts, which the dbt project builds, for the terminal."""

from dataclasses import dataclass
from datetime import date

from hostaway_pipeline.store.database import Database, driver, query


@dataclass(frozen=True, slots=True)
class MonthKpis:
    """One property and currency. Ratios are None on an empty denominator."""

    property: str
    sold_nights: int
    listed_nights: int
    occupancy: float | None
    adr: float | None
    revpar: float | None
    currency: str | None


def kpis_of_month(database: Database, account_id: int, month: date) -> list[MonthKpis]:
    """Of the month that begins on this day.

    Raises DatabaseUnavailable when the marts have not been built yet.
    """
    values = {"account_id": account_id, "month": month}
    with database.transaction() as connection:
        rows = driver(connection).cursor().execute(query("kpis_of_month"), values)
        return [MonthKpis(*row) for row in rows]
