"""Tells people of failed runs: one line in the log, and a POST to HOSTAWAY_ALERT_URL if it is set."""

from dagster import DagsterRun, DefaultSensorStatus, RunFailureSensorContext, run_failure_sensor
from dagster._core.storage.tags import PARTITION_NAME_TAG

from hostaway_pipeline.client.alerts import post_alert
from hostaway_pipeline.defs.keys import ACCOUNT
from hostaway_pipeline.domain.account_names import account_label
from hostaway_pipeline.domain.redaction import scrub
from hostaway_pipeline.errors import NetworkError
from hostaway_pipeline.settings import load_settings

_LONGEST = 300


@run_failure_sensor(
    monitor_all_code_locations=True,
    minimum_interval_seconds=30,
    default_status=DefaultSensorStatus.RUNNING,
    description="Logs each failed run with its reason, and posts it to HOSTAWAY_ALERT_URL.",
)
def failed_runs_sensor(context: RunFailureSensorContext) -> None:
    run = context.dagster_run
    alert = alert_of(run, _reason(context))
    context.log.error(alert["text"])
    url = load_settings().alert_url
    if url is not None:
        try:
            post_alert(url.get_secret_value(), alert)
        except NetworkError as error:  # the run stays red in any case
            context.log.warning(f"HOSTAWAY_ALERT_URL: {error}")


def alert_of(run: DagsterRun, reason: str) -> dict[str, str]:
    """`text` is what chats show. The others are for programs; `account_id` is empty for a run of many accounts."""
    account_id = run.tags.get(PARTITION_NAME_TAG, "")
    name = run.tags.get(ACCOUNT)
    whose = f" of {account_label(int(account_id), name)}" if account_id.isdecimal() else ""
    first = scrub(reason.strip().splitlines()[0] if reason.strip() else "no reason was given")[:_LONGEST]
    text = f"{run.job_name}{whose} failed: {first}"
    return {"text": text, "job": run.job_name, "run_id": run.run_id, "account_id": account_id, "reason": first}


def _reason(context: RunFailureSensorContext) -> str:
    """The error of the step that failed; of a run that failed otherwise, what Dagster says."""
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        if error is not None:
            cause = error.cause or error
            return cause.message.removeprefix("dagster._core.definitions.events.Failure: ")
    return context.failure_event.message or ""
