"""Charts and units, rendered and checked as a cluster and systemd would, and with planted errors."""

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


def test_the_values_for_dagsters_chart_name_our_modules() -> None:
    values = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text(encoding="utf-8"))
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
