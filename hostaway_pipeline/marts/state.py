"""What a build depends on, as one short text. Runs carry it as a tag, so that the next one knows what was built."""

import orjson
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from hostaway_pipeline.marts.project import DbtProject
from hostaway_pipeline.services import Services

JOB = "build_marts"
STATE = "hostaway/built_state"
# Every sync updates the former. The latter changes together with the rows that it is about.
_NOT_COUNTED = frozenset({"accounts", "payload_findings"})


def current_state(services: Services) -> str:
    """Differs once a source of the models has changed, a day has passed, or the dbt project is another version."""
    project = DbtProject.of(services.settings.home)
    return f"{services.movement(source_tables(project))}-{project.fingerprint}"


def built_state(instance: DagsterInstance) -> str | None:
    """The state with which the newest successful build began; None before the first one."""
    runs = instance.get_runs(RunsFilter(job_name=JOB, statuses=[DagsterRunStatus.SUCCESS]), limit=1)
    return runs[0].tags.get(STATE) if runs else None


def source_tables(project: DbtProject) -> set[str]:
    """The tables of the schema `hostaway` that the models read, without those whose counters say nothing."""
    sources = orjson.loads(project.manifest().read_bytes())["sources"].values()
    return {str(source["name"]) for source in sources} - _NOT_COUNTED
