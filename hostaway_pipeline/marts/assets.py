"""The models as assets: one step that runs dbt in a process of its own, and reports what that process prints."""

import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, Config, Output
from dagster_dbt import DbtCliEventMessage, DbtCliInvocation, dbt_assets
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from packaging.version import Version
from pydantic import Field

from hostaway_pipeline.defs.keys import BULK_POOL
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.marts.project import DbtProject
from hostaway_pipeline.marts.state import STATE, current_state
from hostaway_pipeline.marts.translator import MartsTranslator


class BuildConfig(Config):
    """Run configuration of a build."""

    full_refresh: bool = Field(False, description="Empty and refill every table in place, whatever has changed.")


def build_assets(project: DbtProject) -> AssetsDefinition:
    """All models and seeds of the project, with their tests as checks."""
    translator = MartsTranslator()

    @dbt_assets(manifest=project.manifest(), name="dbt_build", dagster_dbt_translator=translator, pool=BULK_POOL)
    def dbt_build(context: AssetExecutionContext, config: BuildConfig, hostaway: HostawayResource) -> Iterator[Any]:
        # Read first: what changes from here on makes the next build necessary.
        with hostaway.services() as services:
            state = current_state(services)
        context.instance.add_run_tags(context.run.run_id, {STATE: state})
        dbt = _start_dbt(context, project, ["--full-refresh"] if config.full_refresh else [])
        for event in dbt.stream_raw_events():
            yield from _with_row_counts(event, dbt, context)

    return dbt_build


def _start_dbt(context: AssetExecutionContext, project: DbtProject, options: list[str]) -> DbtCliInvocation:
    """Run `hostaway_pipeline.marts` for the selected assets.

    Not by DbtCliResource, which starts dbt a second time for its version and loads an adapter in this process, for
    four seconds, and leaves a folder behind for each run.
    """
    translator = MartsTranslator()
    params = get_updated_cli_invocation_params_for_context(context, {}, translator)
    selection = {"DBT_INDIRECT_SELECTION": params.indirect_selection} if params.indirect_selection else {}
    return DbtCliInvocation.run(
        args=[sys.executable, "-m", "hostaway_pipeline.marts", "build", "--events", *options, *params.selection_args],
        env=os.environ | selection,
        manifest=params.manifest,
        dagster_dbt_translator=params.dagster_dbt_translator,
        project_dir=project.folder,
        target_path=project.target,
        raise_on_error=True,
        context=context,
        adapter=None,
        cli_version=Version(version("dbt-core")),
    )


def _with_row_counts(event: DbtCliEventMessage, dbt: DbtCliInvocation, context: AssetExecutionContext) -> Iterator[Any]:
    """Dagster's events for one of dbt's, with the rows that the statement of a model wrote, as Postgres answered."""
    answer = event.raw_event["data"].get("adapter_response", {})
    for made in event.to_default_asset_events(dbt.manifest, dbt.dagster_dbt_translator, context, dbt.target_path):
        if isinstance(made, Output) and "rows_affected" in answer:
            yield made.with_metadata({**made.metadata, "rows_written": int(answer["rows_affected"])})
        else:
            yield made
