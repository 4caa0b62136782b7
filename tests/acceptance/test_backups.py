"""A backup on one machine brings everything back on an empty one; the embedded Postgres moves to a newer version."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostaway_pipeline.embedded.host import ENVIRONMENT, program, run, server_owner
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.sandbox.server import SandboxServer
from tests.factories import OpenSandbox, assert_equal_to_source

COUNT = "SELECT count(*) FROM hostaway.reservations"


class Machine:
    """A home folder, and the command in it."""

    def __init__(self, home: Path, sandbox: SandboxServer) -> None:
        self.home = home
        plain = {key: value for key, value in os.environ.items() if not key.startswith("HOSTAWAY_")}
        self.environment = plain | {"HOSTAWAY_HOME": str(home), "HOSTAWAY_API_URL": sandbox.url}

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hostaway_pipeline", *arguments]
        return subprocess.run(
            command, env=self.environment, input=stdin, capture_output=True, text=True, timeout=200, check=False
        )

    def must(self, *arguments: str, stdin: str = "") -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def folders() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hostaway-tests-") as folder:
        yield Path(folder)


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("59808:2:20", token_delay=0.0)


def test_a_backup_is_restored_on_an_empty_machine(folders: Path, sandbox: SandboxServer) -> None:
    old, new = Machine(folders / "old", sandbox), Machine(folders / "new", sandbox)
    with EmbeddedPostgres(old.home):  # kept up between the commands
        old.must("accounts", "add", "59808", "--secret-stdin", "--no-sync", stdin="sandbox-secret-59808")
        old.must("sync", "59808")
        said = old.must("db", "backup", str(folders / "backups"))
        assert str(old.home / "encryption.keys") in said
        backup_line = next(line for line in old.run("doctor").stdout.splitlines() if "backup" in line)
        assert backup_line.startswith("ok")
        assert "ago" in backup_line
    [backup] = (folders / "backups").iterdir()
    assert {file.name for file in backup.iterdir()} == {"hostaway.dump", "dagster.dump", "backup.json"}
    assert backup.stat().st_mode & 0o077 == 0

    looked = new.run("doctor")
    assert looked.returncode == 1
    assert "`hostaway db restore` brings one back" in looked.stdout
    assert not new.home.exists(), "looking made a database or a key"

    done = new.run("db", "restore", str(backup))
    assert done.returncode == 1
    assert "the key that opens its secrets is not" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (new.home / "encryption.keys").exists(), "a new key opens nothing"
    shutil.copy(old.home / "encryption.keys", new.home)
    with EmbeddedPostgres(new.home) as server:
        assert all(check["ok"] for check in json.loads(new.must("doctor", "--json"))["checks"])
        new.must("sync", "59808", "--mode", "reconcile")
        assert_equal_to_source(server.url("hostaway"), sandbox, 59808)
    again = new.run("db", "restore", str(backup))
    assert "is restored into an empty HOSTAWAY_HOME only" in again.stderr


@pytest.mark.parametrize("fault", ["missing", "cut", "other"])
def test_what_is_no_backup_is_refused(tmp_path: Path, sandbox: SandboxServer, fault: str) -> None:
    folder = tmp_path / "backup"
    if fault != "missing":
        folder.mkdir()
        for name in ("hostaway.dump", "dagster.dump"):
            (folder / name).write_bytes(b"PGDMP")
        files = {name: {"bytes": 9, "sha256": "0"} for name in ("hostaway.dump", "dagster.dump")}
        (folder / "backup.json").write_text(json.dumps({"files": files} if fault == "cut" else []), encoding="utf-8")
    done = Machine(tmp_path / "home", sandbox).run("db", "restore", str(folder))
    assert done.returncode == 1
    assert "hostaway.dump" in done.stderr if fault == "cut" else "is no backup" in done.stderr
    assert not (tmp_path / "home").exists()


@pytest.fixture
def older(folders: Path, sandbox: SandboxServer) -> Machine:
    """The data of an account, made by Postgres 16."""
    made, machine = Machine(folders / "made", sandbox), Machine(folders / "older", sandbox)
    with EmbeddedPostgres(made.home) as server:
        made.must("accounts", "add", "59808", "--secret-stdin", "--no-sync", stdin="sandbox-secret-59808")
        made.must("sync", "59808")
        subprocess.run(
            [program("pg_dump"), "-Fp", "--no-owner", "-f", str(folders / "plain.sql"), "-d", server.url("hostaway")],
            env=ENVIRONMENT, check=True,
        )  # fmt: skip
    machine.home.mkdir(mode=0o701)
    shutil.copy(made.home / "encryption.keys", machine.home)
    data = machine.home / "postgres"
    data.mkdir(mode=0o700)
    owner = server_owner(made.home / "postgres")
    if owner:
        os.chown(data, *owner)
    made_data = run(program("initdb", "16"), "-D", str(data), "--encoding=UTF8", "--locale=C", "--username=postgres",
                    "--auth-local=trust", owner=owner)  # fmt: skip
    assert made_data.returncode == 0, made_data.stderr
    with EmbeddedPostgres(machine.home, "16") as server:
        server.ensure_database("hostaway")
        text = (folders / "plain.sql").read_text(encoding="utf-8")
        text = text.replace("SET transaction_timeout = 0;\n", "")  # of 17 and later
        text = "".join(line for line in text.splitlines(True) if not line.startswith(("\\restrict", "\\unrestrict")))
        done = run(*server.psql("hostaway"), "-q", "-v", "ON_ERROR_STOP=1", stdin=text)
        assert done.returncode == 0, done.stderr
    return machine


def test_the_embedded_postgres_moves_to_a_newer_version(older: Machine, sandbox: SandboxServer) -> None:
    refused = older.run("accounts", "list")
    assert refused.returncode == 1
    assert "made by Postgres 16" in refused.stderr
    assert "`hostaway db upgrade`" in refused.stderr
    assert "upgraded from Postgres 16 to 18" in older.must("db", "upgrade")
    with EmbeddedPostgres(older.home) as server:
        assert_equal_to_source(server.url("hostaway"), sandbox, 59808)
        older.must("sync", "59808", "--mode", "reconcile")
    assert (older.home / "postgres-16" / "PG_VERSION").read_text(encoding="ascii").strip() == "16"
    assert "of Postgres 18 already" in older.must("db", "upgrade")
