"""The real stack, once: Postgres, sandbox, Dagster's webserver and daemon, started by `hostaway demo --once`.

Then everything that it left behind is searched for secrets and for what belongs to guests.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.world import World

SECRET = "sandbox-secret-59808"
# What the sandbox puts under the keys that must never be stored: wifi password, door codes, card, sign-in hash.
PLANTED = re.compile(r"wifi-\d{2}|door-\d{2}|DC-\d{2}|DC-instruction|gah-\d{2}|41111111\d{8}|" + SECRET)


@dataclass(frozen=True)
class Demo:
    status: int
    output: str
    home: Path
    command_lines: frozenset[str]


@pytest.fixture(scope="module")
def demo(embedded_folder: Path) -> Iterator[Demo]:
    folder = embedded_folder
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HOSTAWAY_", "DAGSTER_"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "hostaway_pipeline", "demo", "--once", "--port", str(free_port())]
    with (folder / "output").open("w+") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        seen: set[str] = set()
        try:
            while process.poll() is None:
                seen |= {" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])}
                time.sleep(0.5)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(60)
        output.seek(0)
        yield Demo(process.returncode, output.read(), folder / ".hostaway" / "demo", frozenset(seen))


def test_the_demo_ends_by_itself_and_says_what_arrived(demo: Demo) -> None:
    assert demo.status == 0, demo.output
    assert re.search(r"hostaway\.reservations\W+787\b", demo.output), demo.output


def test_the_demo_prints_kpis_and_no_home_is_fuller_than_full(demo: Demo) -> None:
    today = date.fromisoformat((demo.home / "today").read_text())
    assert datetime.now(UTC).date() - today <= timedelta(1), "the bookings do not reach up to the present"
    month = (today.replace(day=1) - timedelta(1)).strftime("%B %Y")
    assert re.search(rf"{month} by property.*RevPAR", demo.output, re.DOTALL), demo.output
    nights = [tuple(map(int, found)) for found in re.findall(r"(\d+) of (\d+)", demo.output)]
    assert len(nights) >= 6, demo.output
    assert 0.3 < sum(sold for sold, _ in nights) / sum(listed for _, listed in nights) <= 1, demo.output
    with EmbeddedPostgres(demo.home) as server, psycopg.connect(server.url("hostaway")) as connection:
        found = connection.execute("SELECT count(*), max(occupancy_with_owner) FROM marts.kpi_listing_month").fetchone()
    assert found is not None
    assert found[0] > 100
    assert 0.8 < found[1] <= 1


def test_the_demo_names_its_report(demo: Demo) -> None:
    (path,) = re.findall(r"^report: (.*)$", demo.output, re.MULTILINE)
    assert path == str(demo.home.absolute() / "reports" / "portfolio.html")
    page = Path(path).read_text(encoding="utf-8")
    assert "Property #" in page
    assert [name for name in guests(demo) if name in page] == []
    assert len(page.encode()) < 2_000_000


def test_the_demo_leaves_no_process_behind(demo: Demo) -> None:
    left = [
        p.info for p in psutil.process_iter(["pid", "cmdline"]) if str(demo.home) in " ".join(p.info["cmdline"] or [])
    ]
    assert left == []


def test_no_secret_in_any_table_of_both_databases(demo: Demo) -> None:
    """Hostaway's payloads contained secrets, and Dagster's events contain all log lines."""
    found: dict[str, str] = {}
    names = set()
    with EmbeddedPostgres(demo.home) as server:
        for database in ("hostaway", "dagster"):
            for table, text in table_texts(server.url(database)):
                names.add(table)
                if match := PLANTED.search(text):
                    found[table] = match[0]
    assert {"hostaway.reservations", "hostaway.accounts", "public.event_logs", "public.runs"} <= names
    assert found == {}


def test_no_access_token_in_any_log_or_event(demo: Demo) -> None:
    with EmbeddedPostgres(demo.home) as server:
        events = [text for table, text in table_texts(server.url("dagster")) if table == "public.event_logs"]
    assert events
    logged = "\n".join([*events, *logs(demo)])
    assert not re.search(r"Bearer\s+[A-Za-z0-9]|access_token=|client_secret=", logged)


def test_no_secret_and_no_guest_in_any_log(demo: Demo) -> None:
    account = account_of(demo)
    emails = {r["guestEmail"] for r in account.truth("reservations") if r["guestEmail"]}
    bodies = {m["body"] for m in account.truth("messages") if m["body"] and len(m["body"]) > 20}
    assert guests(demo)
    assert emails
    assert bodies
    text = demo.output + "".join(logs(demo))
    assert len(text) > 10_000, "the logs must hold something for this test to say anything"
    assert not PLANTED.search(text)
    assert [known for known in guests(demo) | emails | bodies if known in text] == []


def test_no_secret_in_the_process_list(demo: Demo) -> None:
    assert any("dagster" in line for line in demo.command_lines)
    assert [line for line in demo.command_lines if SECRET in line] == []


def account_of(demo: Demo) -> Account:
    """What the sandbox generated."""
    today = (demo.home / "today").read_text()
    return World(SandboxConfig(accounts=(SandboxAccount(59808, 7, 787),), today=today)).account(59808)


def guests(demo: Demo) -> set[str]:
    bookings = account_of(demo).truth("reservations")
    return {booking["guestName"] for booking in bookings if booking["guestName"] and len(booking["guestName"]) > 8}


def logs(demo: Demo) -> list[str]:
    files = [path for path in demo.home.rglob("*") if path.is_file() and "postgres" not in path.parts]
    return [path.read_text(errors="replace") for path in files if path.suffix in (".log", ".out", ".err", "")]


def table_texts(url: str) -> Iterator[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'"
        ).fetchall()
        for schema, table in tables:
            query = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(schema, table))
            yield f"{schema}.{table}", "\n".join(row[0] for row in connection.execute(query))
