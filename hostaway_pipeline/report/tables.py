"""Tables of the page: what each chart shows, for those who cannot see it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from hostaway_pipeline.report.period import month_name
from hostaway_pipeline.report.texts import age, count, decimal, exact, minutes, money, percent
from hostaway_pipeline.store.portfolio import Figures, Row


@dataclass(frozen=True)
class Table:
    """`rows`: texts; the first of each row is its head. `prose`: places of columns that hold sentences."""

    caption: str
    head: Sequence[str]
    rows: list[list[str]]
    prose: frozenset[int] = frozenset()


def occupancy_table(figures: Figures, labels: dict[int, str], months: Sequence[date]) -> Table:
    """A row per listing or account. Blank: not listed."""
    cells = {(row["row_id"], row["month"]): _share(row) for row in figures.rows}
    total = {row["month"]: _share(row) for row in figures.months}
    rows = [[label, *(cells.get((key, month), "") for month in months)] for key, label in labels.items()]
    rows.append(["All together", *(total.get(month, "") for month in months)])
    what = "listing" if figures.is_by_listing else "account"
    return Table(f"Occupancy by {what} and month", [what.capitalize(), *map(month_name, months)], rows)


def money_table(rows: Iterable[Row]) -> Table:
    head = ["Month", "Currency", "Rent", "Priced nights", "ADR", "RevPAR"]
    cells = [
        [
            month_name(row["month"]),
            row["currency"],
            money(row["rent"]),
            count(row["priced_nights"]),
            money(row["adr"]),
            money(row["revpar"]),
        ]
        for row in rows
    ]
    return Table("Rent, ADR and RevPAR by month and currency", head, cells)


def pace_table(points: Iterable[Row]) -> Table:
    cells = [[row["stay"], row["when"], str(row["days_before"]), count(row["nights"])] for row in points]
    return Table("Nights on the books before each month", ["Month", "Year", "Days before", "Nights"], cells)


def channel_table(nights: dict[tuple[date, str], int], channels: Sequence[str], months: Sequence[date]) -> Table:
    cells = [[month_name(month), *(count(nights.get((month, name), 0)) for name in channels)] for month in months]
    return Table("Sold nights by month and channel", ["Month", *channels], cells)


def channel_money_table(rows: Iterable[Row]) -> Table:
    """Rows with channel, currency, sold_nights, rent, commission and net."""
    cells = [
        [
            row["channel"],
            row["currency"],
            count(row["sold_nights"]),
            money(row["rent"]),
            money(row["commission"]),
            money(row["net"]),
        ]
        for row in rows
    ]
    head = ["Channel", "Currency", "Sold nights", "Rent", "Commission", "Net"]
    return Table("Rent and commission of the last twelve full months by channel and currency", head, cells)


def stays_table(rows: Iterable[Row]) -> Table:
    head = ["Month of arrival", "Stays", "Nights, median", "Nights, mean", "Lead time, median", "Lead time, mean"]
    cells = [
        [
            month_name(row["month"]),
            count(row["stays"]),
            decimal(row["nights_median"]),
            decimal(row["nights_mean"]),
            decimal(row["lead_median"]),
            decimal(row["lead_mean"]),
        ]
        for row in rows
    ]
    return Table("Stay length in nights and lead time in days by month of arrival", head, cells)


def responses_table(rows: Iterable[Row]) -> Table:
    head = ["Month", "Questions", "Not answered yet", "Median time to an answer", "New threads within 24 h"]
    cells = [
        [
            month_name(row["month"]),
            count(row["asked"]),
            count(row["open"]),
            minutes(row["minutes_median"]),
            percent(row["within_24h"]),
        ]
        for row in rows
    ]
    return Table("Answers to guests by month of the question", head, cells)


def reconciled_table(rows: Iterable[Row]) -> Table:
    head = ["Report of Hostaway's", "Counted in", "Theirs", "Ours", "Difference", "Their definition", "Our figure"]
    cells = [
        [
            row["label"],
            row["unit"],
            exact(row["theirs"]),
            exact(row["ours"]),
            exact(row["theirs"] - row["ours"]),
            row["their_definition"],
            row["our_figure"],
        ]
        for row in rows
    ]
    return Table("Hostaway's own reports of the last full month beside our figures", head, cells, frozenset({0, 5, 6}))


def reasons_table(rows: Iterable[Row]) -> Table:
    head = ["Report of Hostaway's", "Counted in", "Amount", "Places", "Why theirs differs"]
    cells = [
        [row["label"], row["unit"], exact(row["amount"]), count(row["places"]), row["explanation"]] for row in rows
    ]
    return Table("Why they differ, and by how much", head, cells, frozenset({0, 4}))


def quality_table(rows: Iterable[Row], meanings: dict[str, str], *, is_one_account: bool) -> Table:
    head = ["Rule", "What it means", "Rows", "Examples" if is_one_account else "Accounts"]
    cells = [
        [
            row["rule"],
            meanings.get(row["rule"], ""),
            count(row["rows_affected"]),
            row["examples"] if is_one_account else count(row["accounts"]),
        ]
        for row in rows
    ]
    return Table("What is odd in the data, by rule", head, cells, frozenset({1, 3} if is_one_account else {1}))


def freshness_table(figures: Figures, shown: int) -> Table:
    """The accounts with the oldest copy."""
    head = ["Account", "Name", "State", "Refreshed", "Compared completely", "Calendar read"]
    cells = [
        [
            str(row["account_id"]),
            row["name"],
            _state(row),
            age(row["refreshed_at"], figures.read_at),
            age(row["compared_at"], figures.read_at),
            age(row["calendar_at"], figures.read_at),
        ]
        for row in figures.accounts[:shown]
    ]
    return Table("Age of the copy of each account, the oldest first", head, cells)


def _share(row: Row) -> str:
    """Never more than all: a night sold twice is not a second night."""
    return percent(min(row["occupancy"], 1)) + (" (overbooked)" if row["occupancy"] > 1 else "")


def _state(row: Row) -> str:
    if not row["is_active"]:
        return "removed"
    return "paused" if row["is_paused"] else "active"
