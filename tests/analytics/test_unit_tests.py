"""dbt's unit tests beside the models: fixtures computed by hand, in Postgres, without a row of ours."""

from collections.abc import Callable
from pathlib import Path

from tests.analytics.conftest import Models


def test_every_unit_test_passes(new_database: Callable[[], str], target: Path) -> None:
    models = Models(new_database(), target)
    models.fill()
    result = models.run("test", "--select", "test_type:unit")
    tested = [node for node in result.result or () if node.node.resource_type == "unit_test"]
    assert [(node.node.name, node.message) for node in tested if node.status != "pass"] == []
    assert len(tested) >= 12
