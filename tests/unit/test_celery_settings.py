"""deploy/celery/dagster.yaml is the project's dagster.yaml but for what it names, and leaves the drainer its run."""

from pathlib import Path
from typing import Any

import yaml

from hostaway_pipeline.defs.drainer import drain_webhooks

ROOT = Path(__file__).parents[2]


def settings(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_settings_with_celery_differ_in_nothing_else() -> None:
    """Change both files together."""
    plain, celery = settings("dagster.yaml"), settings("deploy/celery/dagster.yaml")
    del celery["run_launcher"]
    for values in (plain, celery):
        assert values["concurrency"]["pools"].pop("default_limit") == (
            values["concurrency"]["runs"].pop("max_concurrent_runs") - 2
        )
        del values["run_monitoring"]["start_timeout_seconds"]
    assert celery["run_monitoring"].pop("max_resume_run_attempts") == 0, "resuming a run of a Celery worker fails"
    assert celery == plain


def test_the_drainer_alone_has_a_queue_of_its_own() -> None:
    assert drain_webhooks.tags["dagster-celery/queue"] == "webhooks"
    assert settings("deploy/celery/dagster.yaml")["run_launcher"]["config"]["default_queue"] == "bulk"
