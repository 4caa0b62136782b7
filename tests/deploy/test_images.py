"""The Dockerfile, compose.yaml and the proxy's configuration, each by its own parser and with a planted error."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hostaway_pipeline.settings import Settings
from tests.certificates import certificate
from tests.deploy.conftest import DEPLOY, ROOT, debian, installed

COMPOSE = DEPLOY / "compose" / "compose.yaml"
Broken = Callable[..., Path]


def composed() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")))


def test_the_dockerfile_is_right() -> None:
    done = installed("hadolint")(DEPLOY / "docker" / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_an_error_in_the_dockerfile_is_found(broken: Broken) -> None:
    done = installed("hadolint")(broken("docker/Dockerfile", "USER 10001:10001", "USER root"))
    assert done.returncode == 1
    assert "DL3002" in done.stdout


def test_the_image_holds_what_the_dockerfile_copies() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    text = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
    copied = {part for line in re.findall(r"^COPY ((?!--).*) \S+$", text, re.M) for part in line.split()}
    for name in copied:
        assert (ROOT / name.replace("${EXTRA}", "runtime")).exists(), name
        assert any(f"!{top}" in ignored.splitlines() for top in (name, name.rsplit("/", 1)[0])) or name.startswith(
            "deploy/docker/"
        ), name


@pytest.mark.parametrize("extra", ["runtime", "celery", "k8s"])
def test_images_get_the_versions_that_are_tested(extra: str) -> None:
    def pins(path: Path) -> set[str]:
        return set(re.findall(r"^([a-z0-9.\[\]-]+==\S+)", path.read_text(encoding="utf-8"), re.M))

    lock = pins(DEPLOY / "docker" / "locks" / f"{extra}.lock")
    assert lock <= pins(ROOT / "requirements.lock"), "run `make lock`"
    assert not any(pin.startswith(("pytest==", "mypy==", "hypothesis==")) for pin in lock)


def test_the_images_dagster_settings_differ_only_where_folders_cannot_be_written() -> None:
    ours = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    image = yaml.safe_load((DEPLOY / "docker" / "dagster.yaml").read_text(encoding="utf-8"))
    assert image.keys() - ours.keys() == {"compute_logs", "local_artifact_storage"}
    assert {key: image[key] for key in ours if key != "storage"} == {k: v for k, v in ours.items() if k != "storage"}


def test_compose_is_right() -> None:
    done = installed("check-jsonschema")("--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert done.returncode == 0, done.stdout


def test_an_error_in_compose_is_found(broken: Broken) -> None:
    path = broken("compose/compose.yaml", "restart: unless-stopped", "restarts: unless-stopped")
    done = installed("check-jsonschema")("--builtin-schema", "vendor.compose-spec", path)
    assert done.returncode == 1
    assert "restarts" in done.stdout


def test_compose_names_settings_files_and_services_that_exist() -> None:
    found = composed()
    known = {f"HOSTAWAY_{name.upper()}" for name in Settings.model_fields}
    for name in found["x-hostaway"]["environment"]:
        assert name.removesuffix("_FILE") in known
    for name, service in found["services"].items():
        assert set(service.get("depends_on", ())) <= found["services"].keys(), name
        assert set(service.get("secrets", ())) <= found["secrets"].keys(), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in found["volumes"] or (COMPOSE.parent / source).exists(), volume
    hosts = re.findall(r"host: ([a-z-]+)", (DEPLOY / "docker" / "workspace.yaml").read_text(encoding="utf-8"))
    assert set(hosts) <= found["services"].keys()


def test_compose_shows_strangers_the_proxy_alone() -> None:
    for name, service in composed()["services"].items():
        for port in service.get("ports", ()):
            assert name == "proxy" or port.startswith("127.0.0.1:"), name


def test_every_secret_that_compose_mounts_is_made_by_its_readme() -> None:
    text = (DEPLOY / "compose" / "README.md").read_text(encoding="utf-8")
    for secret in composed()["secrets"].values():
        assert secret["file"] in text


@pytest.mark.parametrize("fault", [None, ("limit_req_status 429;", "limit_req_statuses 429;")])
def test_the_proxys_configuration(tmp_path: Path, fault: tuple[str, str] | None) -> None:
    nginx = debian("nginx", "nginx")
    text = (DEPLOY / "compose" / "nginx.conf").read_text(encoding="utf-8")
    text = text.replace("server receiver:8080;", "server 127.0.0.1:8080;").replace("http2 on;", "")  # for 1.22
    pair = certificate(tmp_path, "hooks.example.com")
    for name in ("tls_certificate", "tls_key"):
        text = text.replace(f"/run/secrets/{name}", str(pair))
    if fault:
        text = text.replace(*fault)
    path = tmp_path / "nginx.conf"
    path.write_text(text, encoding="utf-8")
    done = nginx("-t", "-c", path, "-p", tmp_path, env=os.environ)
    assert (done.returncode == 0) == (fault is None), done.stderr
