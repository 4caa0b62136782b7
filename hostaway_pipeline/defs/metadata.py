"""Asset metadata for Dagster's UI: descriptions and columns of the assets, and the counts of each run."""

from dagster import TableColumn, TableColumnConstraints, TableSchema

from hostaway_pipeline.domain.calendar import CALENDAR
from hostaway_pipeline.domain.trail_entries import TRAILS
from hostaway_pipeline.store.checks import describe_columns
from hostaway_pipeline.sync.pull.request import Report

DESCRIPTIONS = {
    "listings": "Properties of the account, archived ones included. Source: `GET /listings`.",
    "reservations": "Bookings and inquiries in all sixteen states. Source: `GET /reservations`, newest change first.",
    "conversations": "Threads between host and guest, with the markers that show when a thread changed. Source: "
    "`GET /conversations`.",
    "messages": "Messages of every conversation: sent ones, not scheduled ones. Source: "
    "`GET /conversations/{id}/messages`.",
    CALENDAR: "Price, availability, blocked and free units per listing and day, from last month to 18 months ahead, "
    "whatever the mode; past days stay. One call per listing. Source: `GET /listings/{id}/calendar`.",
    TRAILS: "What reservations were before they were copied, as versions. One call per reservation, once, in the "
    "background. Source: `GET /reservations/{id}/logs`.",
}


def table_of(entity: str) -> str:
    """The table that an asset fills, with its schema."""
    others = {CALENDAR: "calendar_days", TRAILS: "reservation_versions"}
    return f"hostaway.{others.get(entity, entity)}"


def column_schema(entity: str) -> TableSchema:
    return TableSchema(
        columns=[
            TableColumn(
                column.name,
                type=column.type,
                description=column.description,
                constraints=TableColumnConstraints(nullable=column.is_nullable),
            )
            for column in describe_columns(entity)
        ]
    )


def account_metadata(name: str | None) -> dict[str, str]:
    """The account's name, beside the partition, which is its id."""
    return {"account": name} if name else {}


def run_metadata(report: Report, entity: str) -> dict[str, int | float | str]:
    """Return the account's name, the row counts of one entity, and the cost of the step.

    The cost: API calls, answers with status 429, seconds.
    """
    counts = report.entities[entity].as_dict()
    return {
        **account_metadata(report.account_name),
        **{f"rows_{name}": number for name, number in counts.items()},
        **({"dagster/row_count": report.sweeps[entity].seen_count} if entity in report.sweeps else {}),
        "api_calls": report.api_calls,
        "http_429": report.http_429,
        **({"enquiries_read": report.enquiries} if report.enquiries else {}),
        **({"trails_left": report.trails_left} if report.trails_left is not None else {}),
        "seconds": report.seconds,
    }
