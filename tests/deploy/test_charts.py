"""Charts and units, rendered and checked as a cluster and systemd would, and with planted errors."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hostaway_pipeline.settings import Settings
from tests.deploy.conftest import DEPLOY, Tool, debian, installed

CHART, UNITS = DEPLOY / "helm" / "receiver", sorted((DEPLOY / "systemd").glob("*.service"))
DOMAIN = ("--set", "domain=hooks.example.com")
Broken = Callable[..., Path]


def validated(manifests: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "manifests.yaml"
    path.write_text(manifests, encoding="utf-8")
    return installed("kubernetes-validate")("-k", "1.34", "--strict", path)


def loaded(name: str) -> dict[str, Any]:
    """A file of deploy/; no part of it is shared with another part."""
    return json.loads(json.dumps(yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))))  # type: ignore[no-any-return]


def camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def snake_case(value: Any) -> Any:
    """The names of the chart's values as dagster.yaml has them; names of tags' limits are the same in both."""
    if isinstance(value, dict):
        kept = "applyLimitPerUniqueValue"
        named = {key if key == kept else re.sub("[A-Z]", lambda m: f"_{m[0].lower()}", key): key for key in value}
        return {ours: snake_case(value[key]) for ours, key in named.items()}
    return [snake_case(part) for part in value] if isinstance(value, list) else value


def objects(helm: Tool, *options: str) -> dict[str, dict[str, Any]]:
    done = helm("template", "test", CHART, *DOMAIN, *options)
    assert done.returncode == 0, done.stderr
    return {found["kind"]: found for found in yaml.safe_load_all(done.stdout) if found}


def test_the_chart_renders_what_a_cluster_takes(helm: Tool, tmp_path: Path) -> None:
    assert helm("lint", CHART, *DOMAIN).returncode == 0
    done = validated(helm("template", "test", CHART, *DOMAIN).stdout, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_error_in_the_chart_is_found(helm: Tool, broken: Broken, tmp_path: Path) -> None:
    chart = broken("helm/receiver", "containerPort: 8080", "containerPorts: 8080", file="templates/deployment.yaml")
    assert validated(helm("template", "test", chart, *DOMAIN).stdout, tmp_path).returncode != 0


def test_the_chart_asks_for_a_domain(helm: Tool) -> None:
    done = helm("template", "test", CHART)
    assert done.returncode != 0
    assert "the domain at which Hostaway reaches the receiver" in done.stderr


def test_pods_have_no_privileges_and_no_secret_in_their_variables(helm: Tool) -> None:
    found = objects(helm)
    known = {f"HOSTAWAY_{name.upper()}" for name in Settings.model_fields}
    for kind in ("Deployment", "Job"):
        pod = found[kind]["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"]
        variables = {variable["name"]: variable["value"] for variable in container["env"]}
        assert {name.removesuffix("_FILE") for name in variables} <= known
        assert not any(name.endswith(("URL", "KEYS")) for name in variables.keys() - {"HOSTAWAY_PUBLIC_URL"})


def test_the_ingress_hides_metrics_and_one_replica_needs_no_budget(helm: Tool) -> None:
    paths = {path["path"] for path in objects(helm)["Ingress"]["spec"]["rules"][0]["http"]["paths"]}
    assert "/webhooks" in paths
    assert not paths & {"/", "/metrics"}
    assert "PodDisruptionBudget" in objects(helm)
    assert "PodDisruptionBudget" not in objects(helm, "--set", "replicas=1")


def test_the_values_for_dagsters_chart_say_what_dagster_yaml_says() -> None:
    """The chart leaves out blocks that are not enabled, a zero, and what it has no name for."""
    values, ours = loaded("helm/values.yaml"), loaded("docker/dagster.yaml")
    daemon, extra = values["dagsterDaemon"], values["additionalInstanceConfig"]
    for block in (values["concurrency"], values["retention"], daemon["runMonitoring"], daemon["runRetries"]):
        assert block["enabled"]
    found = {name: snake_case(daemon[camel_case(name)]) for name in ("run_monitoring", "run_retries")}
    found |= {name: snake_case(values[name]) for name in ("concurrency", "retention")}
    found |= {name: snake_case(daemon[name]) for name in ("sensors", "schedules")} | extra
    found["run_queue"] = snake_case(daemon["runCoordinator"]["config"]["queuedRunCoordinator"])
    assert found["run_monitoring"].pop("max_resume_run_attempts") == 0
    for settings, name in ((ours["concurrency"], "concurrency"), (found["concurrency"], "concurrency")):
        runs, bulk = settings["runs"].pop("max_concurrent_runs"), settings["pools"].pop("default_limit")
        assert bulk == runs - 2, name
    del found["concurrency"]["enabled"], found["retention"]["enabled"], ours["run_retries"]["max_retries"]
    assert found["run_monitoring"].pop("start_timeout_seconds") > ours["run_monitoring"].pop("start_timeout_seconds")
    assert found == {name: ours[name] for name in found}
    assert ours.keys() - found.keys() == {"storage", "telemetry", "compute_logs"}


def test_the_pods_of_dagsters_chart_have_no_privileges_and_one_image() -> None:
    values = loaded("helm/values.yaml")
    launcher, locations = values["runLauncher"]["config"]["k8sRunLauncher"], values["dagster-user-deployments"]
    deployed = [values["dagsterWebserver"], values["dagsterDaemon"], *locations["deployments"]]
    for pod in deployed:
        assert pod["image"] == deployed[0]["image"]
        assert pod["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
        assert pod["podSecurityContext"] == launcher["runK8sConfig"]["podSpecConfig"]["securityContext"]
        assert pod["securityContext"] == launcher["securityContext"]
    assert launcher["securityContext"]["readOnlyRootFilesystem"]
    assert deployed[0]["podSecurityContext"]["runAsNonRoot"]
    assert deployed[0]["service"]["port"] == deployed[0]["readinessProbe"]["httpGet"]["port"] > 1024
    assert locations["rbacEnabled"] is False


def test_the_values_for_dagsters_chart_name_our_modules() -> None:
    values = loaded("helm/values.yaml")
    deployments = values["dagster-user-deployments"]["deployments"]
    assert [one["codeServerArgs"][1] for one in deployments] == [
        "hostaway_pipeline.definitions",
        "hostaway_pipeline.marts.definitions",
    ]
    known = {f"HOSTAWAY_{name.upper()}" for name in Settings.model_fields}
    assert {variable["name"] for one in deployments for variable in one["env"]} <= known


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_units_are_right_and_closed(unit: Path, tmp_path: Path) -> None:
    analyze = debian("systemd-analyze", "systemd")
    done = analyze("security", "--offline=true", unit)
    assert done.returncode == 0, done.stderr
    exposure = float(done.stdout.strip().splitlines()[-1].split(":")[1].split()[0])
    assert exposure < 2.5
    # Whether the programs and the other units are there is the machine's business.
    lines = unit.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("Requires=", "ExecStart="))]
    path = tmp_path / unit.name
    text = "\n".join(kept).replace("[Service]", "[Service]\nExecStart=/bin/true")
    path.write_text(text, encoding="utf-8")
    assert analyze("verify", "--man=no", path).stderr == ""
    path.write_text(text.replace("RestrictRealtime=yes", "RestrictRealtimes=yes"), encoding="utf-8")
    assert "RestrictRealtimes" in analyze("verify", "--man=no", path).stderr
