"""What Dagster's catalogue shows: texts and columns ahead of a run, and after it numbers that the UI plots."""

from dagster import TableColumn, TableColumnConstraints, TableSchema

from hostaway_pipeline.store.checks import describe_columns
from hostaway_pipeline.sync.pull.request import Report

DESCRIPTIONS = {
    "listings": "Properties of the account, archived ones included. Source: `GET /listings`.",
    "reservations": "Bookings and inquiries in all sixteen states. Source: `GET /reservations`, newest change first.",
    "conversations": "Threads between host and guest, with the markers that tell when they moved. Source: "
    "`GET /conversations`.",
    "messages": "Messages of every conversation: what was sent, not what is scheduled. Source: "
    "`GET /conversations/{id}/messages`.",
}


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


def run_metadata(report: Report, entity: str) -> dict[str, int | float]:
    """The counts of one entity, and what the step cost. Counts are zero where the step ended before it had any."""
    counts = report.entities[entity].as_dict()
    return {
        **{f"rows_{name}": number for name, number in counts.items()},
        **({"dagster/row_count": report.sweeps[entity].seen_count} if entity in report.sweeps else {}),
        "api_calls": report.api_calls,
        "http_429": report.http_429,
        "seconds": report.seconds,
    }
