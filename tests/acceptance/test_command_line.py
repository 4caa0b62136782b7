"""The `hostaway` command as a person uses it: one clear line and an exit status for every failure."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.sandbox.server import SandboxServer
from tests.acceptance.forks import Forks, forking
from tests.factories import OpenSandbox, rows

Run = Callable[..., subprocess.CompletedProcess[str]]
CliEnvironment = Callable[[SandboxServer], dict[str, str]]


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("59808:3:20", token_delay=0.0)


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forking() as forks:
        yield forks


@pytest.fixture
def environment(sandbox: SandboxServer, cli_environment: CliEnvironment, tmp_path: Path) -> dict[str, str]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith("HOSTAWAY_")}
    return plain | cli_environment(sandbox) | {"HOSTAWAY_HOME": str(tmp_path)}


@pytest.fixture
def hostaway(forks: Forks, environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs the command in an empty folder: `hostaway("sync", "1", HOSTAWAY_API_URL=…)`."""

    def run(*arguments: str, stdin: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        return forks.run(arguments, environment | changes, tmp_path, stdin)

    return run


@pytest.fixture
def started(environment: dict[str, str], tmp_path: Path) -> Run:
    """Like `hostaway`, but starts Python for it, as a shell does."""

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hostaway_pipeline", *arguments]
        return subprocess.run(
            command, env=environment | changes, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )

    return run


@pytest.fixture
def added(hostaway: Run) -> None:
    done = hostaway("accounts", "add", "59808", "--secret-stdin", stdin="sandbox-secret-59808\n")
    assert done.returncode == 0, done.stderr


def one_line(text: str) -> str:
    """Return the one line of an error; a traceback or a second line fails the test."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("hostaway: ")
    return lines[0]


def failed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    return one_line(done.stderr)


@pytest.mark.usefixtures("added")
def test_sync_prints_one_json_object(started: Run) -> None:
    done = started("sync", "59808", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert done.stderr == ""
    assert list(report) == ["account_id", "status", "seconds", "api_calls", "http_429", "entities"]
    assert list(report["entities"]) == ["listings", "reservations", "conversations", "messages"]
    expected = {"fetched": 3, "inserted": 3, "updated": 0, "unchanged": 0, "deleted": 0}
    assert report["entities"]["listings"] == expected


@pytest.mark.usefixtures("added")
def test_sync_reads_only_what_is_named(hostaway: Run) -> None:
    """The calendar, too, although HOSTAWAY_SYNC_CALENDAR is not set."""
    done = hostaway("sync", "59808", "--entities", "listings,calendar", "--json")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert list(report["entities"]) == ["listings", "calendar"]
    assert report["entities"]["calendar"]["inserted"] > 1800
    assert report["api_calls"] == 1 + 3


@pytest.mark.usefixtures("added")
def test_sync_refuses_what_it_does_not_know(hostaway: Run) -> None:
    line = failed(hostaway("sync", "59808", "--entities", "listings,calender"))
    assert "--entities: choose from listings, reservations, conversations, messages, calendar" in line


@pytest.mark.usefixtures("added")
def test_sync_prints_a_table_for_people(hostaway: Run) -> None:
    done = hostaway("sync", "59808")
    assert done.returncode == 0
    assert "reservations" in done.stdout
    assert "API calls" in done.stdout


def test_a_wrong_secret_is_refused_before_anything_is_stored(hostaway: Run, database_url: str) -> None:
    line = failed(hostaway("accounts", "add", "59808", "--secret-stdin", stdin="wrong\n"))
    assert "account 59808: Hostaway does not accept this client secret" in line
    assert rows(database_url, "SELECT 1 FROM hostaway.accounts") == []


@pytest.mark.usefixtures("added")
def test_an_account_cannot_be_added_twice(hostaway: Run) -> None:
    line = failed(hostaway("accounts", "add", "59808", "--secret-stdin", stdin="sandbox-secret-59808\n"))
    assert "exists already" in line


def test_an_unknown_account_is_reported(hostaway: Run) -> None:
    assert "account 7 is not known; add it" in failed(hostaway("sync", "7"))


@pytest.mark.usefixtures("added")
def test_an_unreachable_api_is_reported(hostaway: Run, database_url: str) -> None:
    line = failed(hostaway("sync", "59808", HOSTAWAY_API_URL="http://127.0.0.1:1/v1"))
    assert "no answer from http://127.0.0.1:1/v1" in line
    assert rows(database_url, "SELECT 1 FROM hostaway.listings") == []


@pytest.mark.usefixtures("added")
def test_a_failed_sync_prints_its_json_too(hostaway: Run) -> None:
    done = hostaway("sync", "59808", "--json", HOSTAWAY_API_URL="http://127.0.0.1:1/v1")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "failed"
    one_line(done.stderr)


def test_the_capacity_is_said_without_a_database(hostaway: Run) -> None:
    nowhere = {"HOSTAWAY_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/none"}
    done = hostaway("doctor", "capacity", "--accounts", "1300", "--limit", "15/10", "--json", **nowhere)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["accounts"], found["limit"], found["egresses"]) == (1300, "15/10", 1)
    assert "HOSTAWAY_RECONCILE_WINDOW" in found["binding"]
    assert "way out" in hostaway("doctor", "capacity", "--accounts", "1300", "--limit", "15/10", **nowhere).stdout
    assert "--limit" in failed(hostaway("doctor", "capacity", "--accounts", "1", "--limit", "lots", **nowhere))


def test_an_unreachable_postgres_is_reported(started: Run) -> None:
    line = failed(started("sync", "59808", HOSTAWAY_DATABASE_URL="postgresql://u:hidden@127.0.0.1:1/none"))
    assert "127.0.0.1:1/none: Postgres cannot be reached" in line
    assert "hidden" not in line


def test_a_database_that_was_never_migrated_is_reported(hostaway: Run, database_url: str) -> None:
    url = database_url.replace(database_url.split("/")[3].split("?", maxsplit=1)[0], "postgres")
    assert "hostaway db migrate" in failed(hostaway("sync", "59808", HOSTAWAY_DATABASE_URL=url))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("HOSTAWAY_RATE_LIMIT_IP", "many", "HOSTAWAY_RATE_LIMIT_IP"),
        ("HOSTAWAY_DATABASE_URL", "mysql://x", "HOSTAWAY_DATABASE_URL"),
        ("HOSTAWAY_API_URL", "ftp://x", "HOSTAWAY_API_URL"),
        ("HOSTAWAY_ENCRYPTION_KEYS", "", "HOSTAWAY_ENCRYPTION_KEYS"),
        ("HOSTAWAY_ENCRYPTION_KEYS", "test:short", "key 'test' is not base64"),
        ("HOSTAWAY_CONCURRENCY", "0", "HOSTAWAY_CONCURRENCY"),
    ],
)
def test_a_wrong_setting_is_named(hostaway: Run, name: str, value: str, expected: str) -> None:
    assert expected in failed(hostaway("sync", "59808", **{name: value}))


@pytest.mark.parametrize(
    "arguments",
    [
        ("accounts", "remove", "99999999999999999999"),
        ("sync", "9223372036854775808"),
        ("events", "list", "--account", "9223372036854775808"),
        ("events", "replay", "0"),
    ],
)
def test_a_number_that_is_no_id_is_refused(hostaway: Run, arguments: tuple[str, ...]) -> None:
    done = hostaway(*arguments)
    assert done.returncode == 2
    assert "or equal to" in done.stderr
    assert "Traceback" not in done.stderr


def test_bytes_that_are_no_text_are_refused(hostaway: Run) -> None:
    done = hostaway("accounts", "add", "5", "--name", "\udcff\udcfe", "--secret-stdin", stdin="secret")
    assert (done.returncode, done.stderr) == (2, "hostaway: an argument is not valid UTF-8\n")


@pytest.mark.usefixtures("added")
def test_a_wrong_key_is_reported(hostaway: Run) -> None:
    other = hostaway("keys", "generate", "--id", "test").stdout.strip()
    line = failed(hostaway("sync", "59808", HOSTAWAY_ENCRYPTION_KEYS=other))
    assert "key 'test' is not the key that the stored secrets were encrypted with" in line


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", ["up", "demo", "sandbox"])
def test_a_port_in_use_is_reported(hostaway: Run, taken_port: int, command: str) -> None:
    line = failed(hostaway(command, "--port", str(taken_port)))
    assert f"port {taken_port}" in line
    assert "--port" in line


def test_a_demo_keeps_the_day_of_its_home(hostaway: Run, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "today").write_text("2026-09-01")
    line = failed(hostaway("demo", "--once", "--port", str(free_port()), "--today", "2026-09-02"))
    assert "2026-09-01" in line
    assert str(tmp_path / "demo") in line


def test_keys_rotate_end_to_end(hostaway: Run, cli_environment: Callable[[str], dict[str, str]], added: None) -> None:
    old = cli_environment("")["HOSTAWAY_ENCRYPTION_KEYS"]
    new = hostaway("keys", "generate", "--id", "next").stdout.strip()
    both = {"HOSTAWAY_ENCRYPTION_KEYS": f"{new},{old}"}
    assert "2 would be rotated, 0 skipped, 0 failed" in hostaway("keys", "rotate", "--dry-run", **both).stdout
    assert json.loads(hostaway("keys", "rotate", "--json", **both).stdout) == {
        "rotated": 2, "skipped": 0, "failed": 0, "dry_run": False,
    }  # fmt: skip
    assert hostaway("keys", "check", HOSTAWAY_ENCRYPTION_KEYS=new).returncode == 0
    assert hostaway("sync", "59808", HOSTAWAY_ENCRYPTION_KEYS=new).returncode == 0
    assert "'next' is missing" in failed(hostaway("keys", "check"))


@pytest.mark.usefixtures("added")
def test_a_removed_account_keeps_its_rows_and_can_be_added_again(hostaway: Run, database_url: str) -> None:
    hostaway("sync", "59808")
    assert hostaway("accounts", "remove", "59808").returncode == 0
    assert "was removed" in failed(hostaway("sync", "59808"))
    assert rows(database_url, "SELECT count(*) FROM hostaway.reservations") == [{"count": 20}]
    assert hostaway("accounts", "add", "59808", "--secret-stdin", stdin="sandbox-secret-59808\n").returncode == 0
    assert hostaway("sync", "59808").returncode == 0


@pytest.mark.usefixtures("added")
def test_a_hard_removal_leaves_nothing(hostaway: Run, database_url: str) -> None:
    hostaway("sync", "59808")
    assert hostaway("accounts", "remove", "59808", "--hard").returncode == 0
    tables = rows(database_url, "SELECT table_name FROM information_schema.columns "
                  "WHERE table_schema = 'hostaway' AND column_name = 'account_id'")  # fmt: skip
    for table in tables:
        assert rows(database_url, f"SELECT 1 FROM hostaway.{table['table_name']}") == [], table


@pytest.mark.usefixtures("added")
def test_accounts_list_shows_health(hostaway: Run) -> None:
    hostaway("sync", "59808")
    listed: dict[str, Any] = json.loads(hostaway("accounts", "list", "--json").stdout)
    account = listed["accounts"][0]
    assert (account["account_id"], account["last_status"], account["rows"]["listings"]) == (59808, "succeeded", 3)
    assert "secret" not in json.dumps(listed)


@pytest.mark.usefixtures("added")
def test_doctor_finds_everything_right(hostaway: Run) -> None:
    done = hostaway("doctor", "--json")
    assert done.returncode == 0, done.stdout
    assert {check["what"] for check in json.loads(done.stdout)["checks"]} >= {"database", "schema", "keys", "hostaway"}


@pytest.mark.usefixtures("added")
def test_doctor_shows_how_often_accounts_are_synced(hostaway: Run) -> None:
    hostaway("sync", "59808")
    checks = {check["what"]: check["detail"] for check in json.loads(hostaway("doctor", "--json").stdout)["checks"]}
    assert "refresh every 15m, the oldest" in checks["syncs"]


def test_doctor_names_what_is_wrong(hostaway: Run) -> None:
    done = hostaway("doctor", HOSTAWAY_API_URL="http://127.0.0.1:1/v1")
    assert done.returncode == 1
    assert "FAIL  hostaway" in done.stdout


def test_an_account_gets_a_schedule_of_its_own(hostaway: Run, added: None) -> None:
    done = hostaway("accounts", "schedule", "59808", "--refresh", "30m", "--reconcile", "03:00")
    assert done.returncode == 0, done.stderr
    assert "30m" in done.stdout
    assert "03:00 UTC" in done.stdout, "when it is due next"
    listed = json.loads(hostaway("accounts", "list", "--json").stdout)["accounts"][0]
    assert listed["schedule"] == {"reconcile": "03:00", "refresh": "30m"}
    assert hostaway("accounts", "schedule", "59808", "--refresh", "default").returncode == 0
    assert "reconcile 03:00" in hostaway("accounts", "list").stdout
    assert "refresh" not in hostaway("accounts", "list").stdout


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--refresh", "30", "--refresh: '30' is not a duration such as 90s, 15m, 8h or 1d"),
        ("--reconcile", "30m", "--reconcile: '30m' is not a time of day such as 02:00"),
    ],
)
def test_a_schedule_that_means_nothing_is_named(hostaway: Run, option: str, value: str, expected: str) -> None:
    assert expected in failed(hostaway("accounts", "schedule", "59808", option, value))


def test_a_schedule_needs_an_account(hostaway: Run) -> None:
    assert hostaway("db", "migrate").returncode == 0
    assert "account 4711 is not known" in failed(hostaway("accounts", "schedule", "4711", "--refresh", "30m"))


def test_a_guest_is_found_and_erased(hostaway: Run, added: None, database_url: str, tmp_path: Path) -> None:
    """The address may come from the standard input: arguments are seen by every process."""
    rows(database_url, "INSERT INTO hostaway.reservations (account_id, id, customer_id, guest_name, guest_email, "
         "raw_payload, content_hash) VALUES (59808, 7, gen_random_uuid(), 'Zoraida', 'z@x.example', "
         "'{\"id\": 7, \"guestName\": \"Zoraida\"}', '') RETURNING 1")  # fmt: skip
    found = hostaway("guests", "find", "--email", "-", "--json", stdin="Z@x.example\n")
    assert json.loads(found.stdout)["accounts"]["59808"]["reservation_ids"] == [7]
    assert "nothing was erased" in failed(hostaway("guests", "erase", "--reservation", "7"))
    assert "name the guest by" in failed(hostaway("guests", "find"))
    assert rows(database_url, "SELECT guest_name FROM hostaway.reservations") == [{"guest_name": "Zoraida"}]
    erased = hostaway("guests", "erase", "--reservation", "7", "--yes", "--json")
    assert json.loads(erased.stdout)["accounts"]["59808"]["reservations"] == 1
    assert rows(database_url, "SELECT guest_name FROM hostaway.reservations") == [{"guest_name": None}]
    assert (tmp_path / "suppressed_guests.txt").exists()
    nobody = hostaway("guests", "find", "--email", "nobody@x.example")
    assert "nothing is stored of this guest" in nobody.stdout
    assert "nobody@" not in nobody.stdout + nobody.stderr


def test_roles_are_granted_or_their_statements_printed(hostaway: Run, added: None, database_url: str) -> None:
    assert "the roles are up to date" in hostaway("db", "grant").stdout
    printed = hostaway("db", "grant", "--print", "--user", "maria", "--role", "analyst_pii").stdout
    assert 'GRANT "analyst_pii" TO "maria"' in printed
    assert "there is no user 'maria'" in failed(hostaway("db", "grant", "--user", "maria"))
