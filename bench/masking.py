"""The cost of removing secrets: per payload, compared with a copy that matches names only, and from stored rows."""

import re
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import psycopg
from alembic import command
from alembic.config import Config

from bench.figures import Figure, at_most, table
from hostaway_pipeline.domain.entities import MESSAGES, RESERVATIONS, Entity
from hostaway_pipeline.domain.payloads import content_hash, sanitize
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.world.world import World
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.migrate import migrate

ROWS, SMALL, BEFORE = 50_000, 5_000, "0009"  # rows of each of two tables
CARD = "my card is 4111 1111 1111 1111"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SECRETS = re.compile(r"cc[A-Z].*|cvc|doorCode|doorCodeInstruction|doorSecurityCode|guestAuthHash|wifiPassword")


def run() -> list[Figure]:
    figures = [cost(name, payloads) for name, payloads in samples().items()]
    with tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder, EmbeddedPostgres(Path(folder)) as server:
        server.ensure_database("masking")
        url = server.url("masking")
        clean, _ = cleaning(url, ROWS, dirty=0)
        _, small = cleaning(url, SMALL, dirty=SMALL)
        dirty, large = cleaning(url, ROWS, dirty=ROWS)
    rows = f"{2 * ROWS:,} stored rows"
    return [
        *figures,
        at_most(f"{rows}, none with a secret: scanned", clean, 60, " s", "one read of every payload"),
        at_most(f"{rows}, each with a secret: cleaned", dirty, 300, " s", "one write of every row and event"),
        at_most("growth of the peak memory with ten times as many rows", large - small, 30, " MB", "batches of 500"),
    ]


def samples() -> dict[str, list[Any]]:
    account = World(SandboxConfig(accounts=(SandboxAccount.parse("59808:10:300"),))).account(59808)
    reservations = [orjson.loads(orjson.dumps(payload)) for payload in account.truth("reservations")]
    deliveries = [dict(list(payload.items())[-50:]) for payload in reservations]
    messages = [orjson.loads(orjson.dumps(payload)) for payload in account.truth("messages")]
    return {"deliveries": deliveries, "reservations of a list": reservations, "messages": messages}


def cost(name: str, payloads: list[Any]) -> Figure:
    size = sum(len(orjson.dumps(one)) for one in payloads) // len(payloads)
    rounds = [(seconds(sanitize, payloads), seconds(by_one_spelling, payloads)) for _ in range(15)]
    ours, peer = (min(times) for times in zip(*rounds, strict=True))
    each = f"a copy that knows one spelling of each name: {peer / len(payloads) * 1e6:.1f} µs"
    return at_most(
        f"{name} of {size:,} bytes cleaned of secrets: time to that of the peer", ours / peer, 1.15, "×", each
    )


def seconds(copy: Callable[[Any], Any], payloads: list[Any]) -> float:
    began = time.process_time()
    for payload in payloads:
        copy(payload)
    return time.process_time() - began


def by_one_spelling(value: Any, names: dict[str, bool] = {}) -> Any:  # noqa: B006 (a cache)
    """The peer: removes one spelling of each name, and characters that Postgres cannot store."""
    if isinstance(value, str):
        is_plain = value.isascii() and "\x00" not in value
        return value if is_plain else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        for key in value:
            if key not in names:
                names[key] = _SECRETS.fullmatch(key) is not None
        return {by_one_spelling(key): by_one_spelling(part) for key, part in value.items() if not names[key]}
    return [by_one_spelling(part) for part in value] if isinstance(value, list) else value


def cleaning(url: str, count: int, *, dirty: int) -> tuple[float, float]:
    """Migrate `count` rows of each table, `dirty` of them with a secret; returns seconds and the peak memory in MB."""
    database = Database(url)
    migrate(database)
    with database.transaction() as connection:
        config = Config()
        config.set_main_option("script_location", "hostaway_pipeline/store/migrations")
        config.attributes["connection"] = connection
        command.downgrade(config, BEFORE)
    with psycopg.connect(url) as connected:
        connected.execute("TRUNCATE hostaway.accounts CASCADE")
        connected.execute("INSERT INTO hostaway.accounts (account_id) VALUES (1)")
        for entity in (RESERVATIONS, MESSAGES):
            fill(connected, entity, count, dirty)
    began = time.perf_counter()
    migrate(database)
    took = time.perf_counter() - began
    database.dispose()
    return took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fill(connection: psycopg.Connection[Any], entity: Entity, count: int, dirty: int) -> None:
    account = World(SandboxConfig(accounts=(SandboxAccount.parse("59808:3:200"),))).account(59808)
    kinds = [by_one_spelling(one) for one in account.truth(entity.name)]
    statement = f"COPY hostaway.{entity.name} (account_id, id, customer_id, raw_payload, content_hash) FROM STDIN"
    with connection.cursor().copy(statement.encode()) as copy:
        for number in range(count):
            payload = kinds[number % len(kinds)] | {"id": number} | ({"comment": CARD} if number < dirty else {})
            customer = "00000000-0000-0000-0000-000000000000"
            copy.write_row(
                (1, number, customer, orjson.dumps(payload).decode(), content_hash(payload, entity.optional))
            )


if __name__ == "__main__":
    print(table(run()))
