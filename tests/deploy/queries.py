"""The queries of the alerts and of the dashboard, and the metrics that they name."""

import json
from collections.abc import Iterator
from typing import Any

import promql_parser
import yaml

from tests.deploy.conftest import DEPLOY

MONITORING = DEPLOY / "monitoring"
RULES = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
TESTS = yaml.safe_load((MONITORING / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
PANELS = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))["panels"]
QUERIES = {rule["alert"]: rule["expr"] for rule in RULES} | {p["title"]: p["targets"][0]["expr"] for p in PANELS}


def names(expression: Any) -> Iterator[str]:
    """The metrics that a query selects."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression.name
    for part in ("expr", "lhs", "rhs", "vs", "vector_selector"):
        if (inner := getattr(expression, part, None)) is not None:
            yield from names(inner)
    for argument in getattr(expression, "args", None) or ():
        yield from names(argument)
