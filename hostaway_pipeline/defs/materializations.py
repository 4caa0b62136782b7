"""What runs of many accounts log of each: their output has no partition, and their error no account."""

from collections.abc import Iterable

from dagster import AssetMaterialization, OpExecutionContext

from hostaway_pipeline.defs.keys import entity_key
from hostaway_pipeline.defs.metadata import run_metadata
from hostaway_pipeline.domain.account_names import account_label
from hostaway_pipeline.sync.pull.request import Report


def log_materializations(context: OpExecutionContext, report: Report, entities: Iterable[str], *, mode: str) -> None:
    """Log one for each entity, under the account's partition."""
    for entity in sorted(entities):
        metadata = run_metadata(report, entity) | {"mode": mode}
        partition = str(report.account_id)
        context.log_event(AssetMaterialization(entity_key(entity), partition=partition, metadata=metadata))


def error_text(report: Report) -> str:
    """The error of an account, which some errors name by its id only."""
    own = str(report.error).removeprefix(f"account {report.account_id}: ")
    return f"{account_label(report.account_id, report.account_name)}: {own}"
