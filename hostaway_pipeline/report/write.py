"""Writes the report of all accounts, or of one, to a file."""

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from hostaway_pipeline.report.charts import occupancy_map
from hostaway_pipeline.report.page import picture, render
from hostaway_pipeline.report.period import months_of, period_of, shifted
from hostaway_pipeline.report.place import report_path
from hostaway_pipeline.report.sections import headlines_of, labels_of, sections_of
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.portfolio import Figures, Period, read_figures

_PICTURE_ROWS, _PICTURE_MONTHS, _PICTURE_WIDTH = 12, 12, 420


@dataclass(frozen=True)
class Report:
    path: Path
    figures: Figures
    period: Period


def write_report(services: Services, account_id: int | None = None, *, today: date | None = None) -> Report:
    """Write the page to `report_path`.

    `today` decides which months are shown; by default it is the database's day, UTC. Raises as `read_figures` does.
    """
    period = period_of(today or services.database.now().date())
    figures = read_figures(services.database, period, account_id)
    path = report_path(services.settings.home, account_id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    page = render(
        _title(figures, account_id), _made(figures), [*headlines_of(figures, period)], [*sections_of(figures, period)]
    )
    unfinished = path.with_suffix(".part")
    unfinished.write_text(page, encoding="utf-8")
    os.replace(unfinished, path)
    return Report(path, figures, period)


def small_picture(report: Report) -> str:
    """SVG for the asset's page: the occupancy of the last year, of the first rows."""
    first, last = shifted(report.period.this_month, 1 - _PICTURE_MONTHS), report.period.this_month
    months = [month for month in months_of(report.period) if first <= month <= last]
    labels = dict(list(labels_of(report.figures.rows).items())[:_PICTURE_ROWS])
    rows = [row for row in report.figures.rows if row["month"] in months]
    spec = occupancy_map(rows, labels, months, report.period.this_month, width=_PICTURE_WIDTH)
    spec["config"]["background"] = "white"  # Dagster's page may be dark
    return picture(spec)


def _title(figures: Figures, account_id: int | None) -> str:
    return "Portfolio report" if account_id is None else f"Report of {figures.accounts[0]['name']}"


def _made(figures: Figures) -> str:
    names = ", ".join(str(row["name"]) for row in figures.accounts[:3])
    whose = names if len(figures.accounts) <= 3 else f"{len(figures.accounts):,} accounts"
    return f"{whose or 'No accounts'}. As of {figures.read_at:%Y-%m-%d %H:%M} UTC."
