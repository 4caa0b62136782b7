"""The charts, as Vega-Lite specifications with their figures inside. Colours can be told apart by the colour-blind."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import altair as alt

from hostaway_pipeline.report.period import month_name
from hostaway_pipeline.report.texts import count, minutes, money, percent

# Okabe and Ito's palette without black and yellow, which one of the two colour schemes swallows.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A8A8A")
Spec = dict[str, Any]
Row = dict[str, Any]
_WIDTH = 780
_CELL = 20
_BACKWARDS = alt.Scale(domain=[180, -30], nice=False)


def occupancy_map(
    rows: Iterable[Row], labels: dict[int, str], months: Sequence[date], this_month: date, *, width: int = _WIDTH
) -> Spec:
    """A cell per listing or account and month; none where nothing was listed."""
    values = [
        {
            "row": labels[row["row_id"]],
            "month": month_name(row["month"]),
            "occupancy": min(1.0, float(row["occupancy"])),
            "shown": percent(min(1, row["occupancy"])),
            "nights": f"{count(row['sold_nights'])} of {count(row['listed_nights'])}",
        }
        for row in rows
        if row["row_id"] in labels
    ]
    cells = (
        alt.Chart(alt.InlineData(values))
        .mark_rect(stroke="#80808040")
        .encode(
            x=_by_month(months),
            y=alt.Y("row:N", title=None, scale=alt.Scale(domain=list(labels.values()))),
            color=alt.Color(
                "occupancy:Q",
                scale=alt.Scale(scheme="cividis", domain=[0, 1]),
                legend=alt.Legend(
                    title="Occupancy",
                    format="%",
                    values=[0, 0.25, 0.5, 0.75, 1],
                    orient="top",
                    gradientLength=200,
                    direction="horizontal",
                ),
            ),
            tooltip=_tooltip(row="Whose", month="Month", shown="Occupancy", nights="Nights sold"),
        )
    )
    return _spec((cells + _now(this_month)).properties(width=width, height=_CELL * max(1, len(labels))))


def rate_lines(rows: Iterable[Row], currencies: Sequence[str], months: Sequence[date], this_month: date) -> Spec:
    """ADR and RevPAR, one panel for each currency."""
    values = [
        {
            "month": month_name(row["month"]),
            "currency": row["currency"],
            "rate": name,
            "amount": None if row[key] is None else float(row[key]),
            "shown": f"{money(row[key])} {row['currency']}",
        }
        for row in rows
        if row["currency"] in currencies
        for key, name in (("adr", "ADR"), ("revpar", "RevPAR"))
    ]
    return _stacked(
        [
            _lines([v for v in values if v["currency"] == currency], "rate", f"{currency} a night", months, this_month)
            for currency in currencies
        ]
    )


def stay_lines(rows: Sequence[Row], months: Sequence[date]) -> Spec:
    """Lead time above stay length, median and mean each."""
    panels = []
    for kind, title, unit in (("lead", "Lead time, days", "days"), ("nights", "Stay length, nights", "nights")):
        values = [
            {
                "month": month_name(row["month"]),
                "measure": measure,
                "amount": float(row[f"{kind}_{measure}"]),
                "shown": f"{row[f'{kind}_{measure}']:.1f} {unit}",
            }
            for row in rows
            for measure in ("median", "mean")
            if row[f"{kind}_{measure}"] is not None
        ]
        panels.append(_lines(values, "measure", title, months))
    return _stacked(panels)


def response_lines(rows: Iterable[Row], months: Sequence[date]) -> Spec:
    values = [
        {
            "month": month_name(row["month"]),
            "measure": "median",
            "amount": float(row["minutes_median"]) / 60,
            "shown": minutes(row["minutes_median"]),
        }
        for row in rows
        if row["minutes_median"] is not None
    ]
    return _spec(_lines(values, "measure", "Hours to an answer, median", months))


def channel_bars(
    nights: dict[tuple[date, str], int], channels: Sequence[str], months: Sequence[date], this_month: date
) -> Spec:
    """The shares of the channels in the sold nights of each month."""
    sums = {month: sum(nights.get((month, name), 0) for name in channels) for month in months}
    values = [
        {
            "month": month_name(month),
            "channel": name,
            "place": place,
            "nights": nights[month, name],
            "shown": f"{count(nights[month, name])} nights, {percent(nights[month, name] / sums[month])}",
        }
        for month in months
        for place, name in enumerate(channels)
        if nights.get((month, name))
    ]
    bars = (
        alt.Chart(alt.InlineData(values))
        .mark_bar()
        .encode(
            x=_by_month(months),
            y=alt.Y("nights:Q", stack="normalize", title="Share of sold nights", axis=alt.Axis(format="%")),
            color=_colours("channel", channels),
            order=alt.Order("place:Q"),
            tooltip=_tooltip(channel="Channel", month="Month", shown="Sold"),
        )
    )
    return _spec((bars + _now(this_month)).properties(width=_WIDTH, height=240))


def pace_lines(points: Sequence[Row]) -> Spec:
    """One panel for each coming month: nights on the books this year and a year earlier."""
    years = ("this year", "a year earlier")
    panels = []
    for stay in dict.fromkeys(point["stay"] for point in points):
        values = [point | {"shown": f"{count(point['nights'])} nights"} for point in points if point["stay"] == stay]
        panels.append(
            alt.Chart(alt.InlineData(values))
            .mark_line(interpolate="step-after", point={"size": 25})
            .encode(
                x=alt.X("days_before:Q", title="Days before the month begins", scale=_BACKWARDS),
                y=alt.Y("nights:Q", title=f"Nights, {stay}"),
                color=_colours("when", years),
                strokeDash=_dashes("when", years),
                tooltip=_tooltip(when="Year", days_before="Days before", shown="On the books"),
            )
            .properties(width=_WIDTH, height=150)
        )
    return _stacked(panels)


def _lines(values: list[Row], series: str, title: str, months: Sequence[date], now: date | None = None) -> Any:
    names = list(dict.fromkeys(value[series] for value in values))
    lines = (
        alt.Chart(alt.InlineData(values))
        .mark_line(point={"size": 40, "filled": True})
        .encode(
            x=_by_month(months),
            y=alt.Y("amount:Q", title=title, axis=alt.Axis(format=",~r", tickCount=5)),
            color=_colours(series, names),
            strokeDash=_dashes(series, names),
            tooltip=_tooltip(month="Month", **{series: "Measure"}, shown="Value"),
        )
        .properties(width=_WIDTH, height=150)
    )
    return lines if now is None else lines + _now(now)


def _by_month(months: Sequence[date]) -> alt.X:
    axis = alt.Axis(labelAngle=-90, title=None)
    return alt.X("month:O", scale=alt.Scale(domain=[month_name(month) for month in months]), axis=axis)


def _now(this_month: date) -> Any:
    """A dashed line: left of it what has been, right of it what is on the books."""
    rule = alt.Chart(alt.InlineData([{"month": month_name(this_month)}])).mark_rule(strokeDash=[4, 3], strokeWidth=1.5)
    return rule.encode(x=alt.X("month:O", bandPosition=0))


def _colours(field: str, names: Sequence[str]) -> alt.Color:
    scale = alt.Scale(domain=list(names), range=list(OKABE_ITO[: len(names)]))
    return alt.Color(f"{field}:N", scale=scale, legend=alt.Legend(title=None, orient="top"))


def _dashes(field: str, names: Sequence[str]) -> alt.StrokeDash:
    scale = alt.Scale(domain=list(names), range=[[1, 0], [5, 3]][: len(names)])
    return alt.StrokeDash(f"{field}:N", scale=scale, legend=None)


def _tooltip(**titles: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(field, type="nominal", title=title) for field, title in titles.items()]


def _stacked(panels: Sequence[Any]) -> Spec:
    return _spec(alt.vconcat(*panels))


def _spec(chart: Any) -> Spec:
    """Without `$schema`, which is an address. `aria` is off: the page describes each chart, and has its table."""
    styled = (
        chart.configure(background="transparent", font="system-ui, sans-serif", aria=False)
        .configure_view(stroke=None)
        .configure_axis(labelLimit=180, labelOverlap=False)
    )
    spec: Spec = styled.to_dict()
    del spec["$schema"]
    return spec
