"""What the page consists of: headline figures, and sections of charts with their tables."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hostaway_pipeline.report import charts, tables
from hostaway_pipeline.report.period import month_name, months_of, shifted
from hostaway_pipeline.report.rules import RULES
from hostaway_pipeline.report.tables import Table
from hostaway_pipeline.report.texts import count, minutes, money, percent, shorten
from hostaway_pipeline.store.portfolio import Figures, Period, Row

_CURRENCIES = 4
_CHANNELS = len(charts.OKABE_ITO) - 1
_OTHERS = "all others"
_ACCOUNTS = 200
_PACE_DAYS = range(180, -31, -3)


@dataclass(frozen=True)
class Section:
    """`chart`: a Vega-Lite specification; None for what is a table by nature."""

    key: str
    title: str
    text: str
    chart: charts.Spec | None
    tables: Sequence[Table]


@dataclass(frozen=True)
class Headline:
    name: str
    value: str
    note: str


def sections_of(figures: Figures, period: Period) -> Iterator[Section]:
    """In the order in which managers ask. What has no figures is left out."""
    if figures.rows:
        yield _occupancy(figures, period)
    if figures.money:
        yield _money(figures, period)
    if figures.pace:
        yield _pace(figures.pace, period)
    if any(row["sold_nights"] for row in figures.channels):
        yield _channels(figures, period)
    if figures.stays:
        yield _stays(figures, period)
    if figures.responses:
        yield _responses(figures, period)
    if figures.reconciled:
        yield _reconciliation(figures, period)
    yield _quality(figures)
    yield _freshness(figures)


def labels_of(rows: Sequence[Row]) -> dict[int, str]:
    """A name for each row of the map, no two alike. Each cell repeats it, so that it has to end somewhere."""
    names = {row["row_id"]: shorten(str(row["label"])) for row in rows}
    times = Counter(names.values())
    return {key: name if times[name] == 1 else f"{name} ({key})" for key, name in names.items()}


def headlines_of(figures: Figures, period: Period) -> Iterator[Headline]:
    """The last full month, compared with the same month a year earlier; and who waits now."""
    month, before = period.last_month, shifted(period.last_month, -12)
    share = {row["month"]: min(row["occupancy"], Decimal(1)) for row in figures.months}
    if month in share:
        yield Headline(f"Occupancy, {month_name(month)}", percent(share[month]), _compared(percent(share.get(before))))
    rates = {(row["month"], row["currency"]): row for row in figures.money}
    for currency in _currencies(figures.money)[:1]:
        for key, name in (("adr", "ADR"), ("revpar", "RevPAR")):
            now, then = (rates.get((day, currency), {}).get(key) for day in (month, before))
            if now is not None:
                note = _compared(f"{money(then)} {currency}" if then is not None else "")
                yield Headline(f"{name}, {month_name(month)}", f"{money(now)} {currency}", note)
    for row in figures.responses:
        if row["month"] == month and row["minutes_median"] is not None:
            waiting = sum(found["open"] for found in figures.responses if found["month"] >= month)
            note = f"median; {count(waiting)} questions since then have no answer yet"
            yield Headline(f"Answer, {month_name(month)}", minutes(row["minutes_median"]), note)


def _compared(value: str) -> str:
    return f"{value} a year earlier" if value else ""


def _occupancy(figures: Figures, period: Period) -> Section:
    labels, months = labels_of(figures.rows), list(months_of(period))
    text = "Sold nights per listed night. Blank: not listed. From the dashed line on: on the books so far."
    if not figures.is_by_listing:
        text += " `hostaway report --account ID` shows the listings of an account."
    chart = charts.occupancy_map(figures.rows, labels, months, period.this_month)
    return Section("occupancy", "Occupancy", text, chart, [tables.occupancy_table(figures, labels, months)])


def _money(figures: Figures, period: Period) -> Section:
    text = (
        "ADR: rent per priced night. RevPAR: rent per listed night. Rent has no fees and no taxes, and is never "
        "converted. From the dashed line on: on the books so far."
    )
    currencies = _currencies(figures.money)[:_CURRENCIES]
    chart = charts.rate_lines(figures.money, currencies, list(months_of(period)), period.this_month)
    return Section("rates", "ADR and RevPAR", text, chart, [tables.money_table(figures.money)])


def _currencies(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["currency"] for row in rows))


def _pace(rows: Sequence[Row], period: Period) -> Section:
    points = list(_pace_points(rows, period))
    text = "Nights that were sold for each coming month, so many days before it began, beside the same month last year."
    return Section("pace", "Pace", text, charts.pace_lines(points), [tables.pace_table(points)])


def _pace_points(rows: Sequence[Row], period: Period) -> Iterator[dict[str, Any]]:
    """The nights on the books every third day: those of the newest change until then."""
    changes: dict[date, list[Row]] = defaultdict(list)
    for row in rows:
        changes[row["month"]].append(row)
    for stay in sorted(period.pace)[len(period.pace) // 2 :]:
        for when, month in (("this year", stay), ("a year earlier", shifted(stay, -12))):
            days = [row["as_of"] for row in changes[month]]
            for days_before in _PACE_DAYS:
                day = month - timedelta(days_before)
                place = bisect_right(days, day)
                if day <= period.today:
                    nights = changes[month][place - 1]["nights"] if place else 0
                    yield {"stay": month_name(stay), "when": when, "days_before": days_before, "nights": int(nights)}


def _channels(figures: Figures, period: Period) -> Section:
    names = list(dict.fromkeys(row["channel"] for row in figures.channels if row["nights_in_all"]))
    shown = names if len(names) <= _CHANNELS + 1 else [*names[:_CHANNELS], _OTHERS]
    nights: Counter[tuple[date, str]] = Counter()
    for row in figures.channels:
        nights[row["month"], row["channel"] if row["channel"] in shown else _OTHERS] += row["sold_nights"]
    months = [month for month in months_of(period) if any(nights[month, name] for name in shown)]
    text = "Where the sold nights come from. Net is rent less commission, by currency."
    chart = charts.channel_bars(nights, shown, list(months_of(period)), period.this_month)
    found = [tables.channel_table(nights, shown, months), tables.channel_money_table(_yearly(figures, period))]
    return Section("channels", "Channels", text, chart, found)


def _yearly(figures: Figures, period: Period) -> list[Row]:
    """Sums over the last twelve full months for each channel and currency."""
    sums: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in figures.channels:
        if shifted(period.this_month, -12) <= row["month"] < period.this_month:
            for key in ("sold_nights", "rent", "commission", "net"):
                sums[row["channel"], row["currency"]][key] += row[key] or 0
    return [{"channel": channel, "currency": currency, **found} for (channel, currency), found in sums.items()]


def _stays(figures: Figures, period: Period) -> Section:
    months = list(months_of(period, last=period.this_month))
    text = "Days from booking to arrival, and nights of a stay, by month of arrival. The median is the usual guest."
    found = [tables.stays_table(figures.stays)]
    return Section("stays", "Lead time and stay length", text, charts.stay_lines(figures.stays, months), found)


def _responses(figures: Figures, period: Period) -> Section:
    months = list(months_of(period, last=period.this_month))
    text = "From a guest's message to the first answer of a person. Automated messages are no answer."
    found = [tables.responses_table(figures.responses)]
    return Section("responses", "Answers to guests", text, charts.response_lines(figures.responses, months), found)


def _reconciliation(figures: Figures, period: Period) -> Section:
    text = (
        f"What Hostaway's own reports of {month_name(period.last_month)} show by their definitions, beside ours. "
        "The reasons add up to each difference; marts.rec_differences names the bookings."
    )
    found = [tables.reconciled_table(figures.reconciled), tables.reasons_table(figures.reasons)]
    return Section("reconciliation", "Hostaway's own reports", text, None, found)


def _quality(figures: Figures) -> Section:
    text = "What is odd in the data, as of the last night. Nothing here stops a figure; it says which ones to doubt."
    found = [tables.quality_table(figures.quality, RULES, is_one_account=figures.is_by_listing)]
    return Section("quality", "Data quality", text, None, found)


def _freshness(figures: Figures) -> Section:
    text = "Of when the copy of each account is. The figures above are those of the newest build of the marts."
    if len(figures.accounts) > _ACCOUNTS:
        text += f" The {_ACCOUNTS} oldest of {count(len(figures.accounts))} accounts."
    return Section("freshness", "Age of the data", text, None, [tables.freshness_table(figures, _ACCOUNTS)])
