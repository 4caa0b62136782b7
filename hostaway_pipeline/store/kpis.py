"""Reads a few figures of the marts, which the dbt project builds, for the terminal."""

from dataclasses import dataclass
from datetime import date

from hostaway_pipeline.store.database import Database, driver, query


@dataclass(frozen=True, slots=True)
class MonthKpis:
    """One property, month and currency. Ratios are None on an empty denominator."""

    property: str
    month: date
    occupancy: float | None
    adr: float | None
    revpar: float | None
    currency: str | None


def kpis_of_last_month(database: Database, account_id: int) -> list[MonthKpis]:
    """Of the last full month before the newest booking.

    Raises DatabaseUnavailable when the marts have not been built yet.
    """
    with database.transaction() as connection:
        rows = driver(connection).cursor().execute(query("kpis_of_month"), {"account_id": account_id})
        return [MonthKpis(*row) for row in rows]
