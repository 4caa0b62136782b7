"""The portfolio report as an asset: one HTML page in HOSTAWAY_HOME, and a small picture on the asset's page."""

import base64
from typing import Any

from dagster import AssetKey, MaterializeResult, MetadataValue, asset

from hostaway_pipeline.defs.keys import BULK_POOL
from hostaway_pipeline.defs.resources import HostawayResource

_READ = (
    ("core", "booking"),
    ("core", "property"),
    ("marts", "dim_account"),
    ("marts", "dim_channel"),
    ("marts", "dim_property"),
    ("marts", "fct_guest_responses"),
    ("marts", "kpi_account_month"),
    ("marts", "kpi_account_month_money"),
    ("marts", "kpi_channel_month"),
    ("marts", "kpi_listing_month"),
    ("marts", "kpi_pace"),
    ("marts", "mart_data_quality"),
    ("marts", "rec_differences"),
    ("marts", "rec_reasons"),
    ("marts", "rec_reports"),
    ("marts", "rec_totals"),
)


@asset(
    deps=[AssetKey(key) for key in _READ],
    key_prefix="marts",
    group_name="marts",
    pool=BULK_POOL,
    description="Occupancy, rates, channels and answers of all accounts, as one HTML page; also by `hostaway report`.",
)
def portfolio_report(hostaway: HostawayResource) -> MaterializeResult[None]:
    # Altair takes half a second to import, which loading the location must not pay for.
    from hostaway_pipeline.report.write import small_picture, write_report  # noqa: PLC0415

    with hostaway.services() as services:
        report = write_report(services)
    metadata: dict[str, Any] = {
        "page": MetadataValue.path(report.path),
        "size_kb": round(report.path.stat().st_size / 1000),
        "accounts": len(report.figures.accounts),
    }
    if report.figures.rows:
        image = base64.b64encode(small_picture(report).encode()).decode()
        metadata["occupancy"] = MetadataValue.md(f"![Occupancy of the last year](data:image/svg+xml;base64,{image})")
    return MaterializeResult(metadata=metadata)
