"""What runs of many accounts log of each: their output has no partition, and their error no account."""

import os
import time
from collections.abc import Iterable
from uuid import uuid4

from dagster import AssetMaterialization, OpExecutionContext
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata

from hostaway_pipeline.defs.keys import entity_key
from hostaway_pipeline.defs.metadata import run_metadata
from hostaway_pipeline.domain.account_names import account_label
from hostaway_pipeline.sync.pull.request import Report

_LONGEST_SECONDS = 2.0
# The most events of a batch that Dagster writes at once. It writes each by itself where this is not set.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "500")


class MaterializationLog:
    """Writes materializations in batches, every two seconds: one by one they cost as much as the syncs themselves.

    Nothing is written after the last `add`, unless somebody calls `flush`.
    """

    def __init__(self, context: OpExecutionContext) -> None:
        self._context = context
        self._waiting: dict[str, list[AssetMaterialization]] = {}
        self._flushed_at = time.monotonic()

    def add(self, report: Report, entities: Iterable[str], *, mode: str) -> None:
        """One materialization of each entity, under the account's partition."""
        for entity in entities:
            metadata = run_metadata(report, entity) | {"mode": mode}
            made = AssetMaterialization(entity_key(entity), partition=str(report.account_id), metadata=metadata)
            self._waiting.setdefault(entity, []).append(made)
        if time.monotonic() - self._flushed_at >= _LONGEST_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits: a batch for each entity, since Dagster's batches are of one asset."""
        step = self._context.get_step_execution_context()
        waiting, self._waiting, self._flushed_at = self._waiting, {}, time.monotonic()
        for entity in sorted(waiting):
            batch_id, last = str(uuid4()), len(waiting[entity]) - 1
            for place, made in enumerate(waiting[entity]):
                DagsterEvent.asset_materialization(step, made, DagsterEventBatchMetadata(batch_id, place == last))


def error_text(report: Report) -> str:
    """The error of an account, which some errors name by its id only."""
    own = str(report.error).removeprefix(f"account {report.account_id}: ")
    return f"{account_label(report.account_id, report.account_name)}: {own}"
