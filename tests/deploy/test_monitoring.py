"""Alerts and dashboard: they name metrics that exist, each alert has a runbook and two tests."""

import re
from collections.abc import Callable
from pathlib import Path

import promql_parser
import pytest

from tests.deploy.conftest import DEPLOY, ROOT, debian
from tests.deploy.queries import MONITORING, RULES, TESTS, names

Broken = Callable[..., Path]


def test_a_query_that_is_none_is_found() -> None:
    with pytest.raises(ValueError, match="unclosed"):
        promql_parser.parse("sum(rate(hostaway_up[5m])")
    assert list(names(promql_parser.parse("sum(rate(a[5m])) / on (x) b > 1"))) == ["a", "b"]


def test_every_alert_has_a_runbook_and_two_tests() -> None:
    page = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    anchors = {heading.lower() for heading in re.findall(r"^#+ (\S+)$", page, re.M)}
    for rule in RULES:
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert path == "docs/production.md"
        assert anchor in anchors
        assert anchor == rule["alert"].lower()
        expected = [
            bool(test["alert_rule_test"][0]["exp_alerts"])
            for test in TESTS
            if test["alert_rule_test"][0]["alertname"] == rule["alert"]
        ]
        assert sorted(expected) == [False, True], rule["alert"]


def test_alerts_fire_and_stay_silent() -> None:
    promtool = debian("promtool", "prometheus")
    done = promtool("test", "rules", MONITORING / "alerts_test.yml")
    assert done.returncode == 0, done.stderr


def test_an_alert_that_does_not_fire_is_found(broken: Broken) -> None:
    promtool = debian("promtool", "prometheus")
    folder = broken("monitoring", "hostaway_stale_accounts > 0", "hostaway_stale_accounts > 9", file="alerts.yml")
    assert promtool("test", "rules", folder / "alerts_test.yml").returncode == 1


def test_prometheus_reads_its_configuration(tmp_path: Path) -> None:
    promtool = debian("promtool", "prometheus")
    text = (DEPLOY / "compose" / "prometheus.yml").read_text(encoding="utf-8")
    path = tmp_path / "prometheus.yml"
    path.write_text(text.replace("/etc/prometheus/alerts.yml", str(MONITORING / "alerts.yml")), encoding="utf-8")
    assert promtool("check", "config", path).returncode == 0
    path.write_text(text.replace("scrape_configs", "scrapes"), encoding="utf-8")
    assert promtool("check", "config", path).returncode == 1
