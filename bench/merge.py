"""Compares the merge of 100,000 reservations of 1.5 KB with a bare COPY of the same rows, in the same run and server.

The rows are prepared in advance in both cases: building them from payloads is not measured.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from uuid import UUID

import psycopg

from bench import charts
from bench.figures import Figure, at_least, at_most, table
from hostaway_pipeline.domain.entities import RESERVATIONS, Row
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.migrate import migrate

ROWS, PAGE, ROUNDS = 100_000, 500, 3
ACCOUNT, CUSTOMER = 1, UUID(int=1)
FILLER = {f"field{n}": random.Random(n).randbytes(9).hex() for n in range(38)}


def payload(number: int, version: int) -> dict[str, object]:
    """A reservation of about 1.5 KB."""
    return {
        "id": number,
        "listingMapId": number % 50,
        "channelId": 2000,
        "channelName": "direct",
        "reservationId": f"{number}-2000",
        "status": "new",
        "guestName": f"Guest {number}",
        "arrivalDate": "2026-07-01",
        "departureDate": "2026-07-04",
        "nights": 3,
        "totalPrice": 100 + number / 100,
        "currency": "EUR",
        "updatedOn": f"2026-06-{version:02} 10:00:00",
        "version": version,
        **FILLER,
    }


def pages(version: int, rows: int) -> Iterator[list[Row]]:
    for start in range(1, rows + 1, PAGE):
        made = (RESERVATIONS.row(payload(number, version)) for number in range(start, min(start + PAGE, rows + 1)))
        yield [row for row in made if row is not None]


def timed(work: Callable[[list[Row]], object], prepared: Iterable[list[Row]]) -> float:
    """Seconds spent in `work` alone, without preparing the rows."""
    spent = 0.0
    for page in prepared:
        began = time.perf_counter()
        work(page)
        spent += time.perf_counter() - began
    return spent


def bare_copy(url: str, prepared: Iterable[list[Row]]) -> float:
    """Seconds of a COPY into an empty table without indexes, with a transaction per page as in the merge."""
    columns = ("id", "raw_payload", "content_hash", "source_updated_at", *RESERVATIONS.columns)
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        selected = ", ".join(columns)
        connection.execute(f"CREATE TABLE bare AS SELECT {selected} FROM hostaway.reservations WITH NO DATA".encode())
        connection.commit()

        def copy_page(page: list[Row]) -> None:
            with connection.cursor().copy(f"COPY bare ({selected}) FROM STDIN".encode()) as copy:
                for row in page:
                    copy.write_row((row.id, row.payload, row.content_hash, row.source_updated_at, *row.values))
            connection.commit()

        return timed(copy_page, prepared)


def measure(rows: int) -> dict[str, float]:
    """Median seconds of each way to write the same rows, and the peak memory in MB."""
    with tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder, EmbeddedPostgres(Path(folder)) as server:
        server.ensure_database("hostaway")
        url = server.url("hostaway")
        database = Database(url)
        migrate(database)
        with database.transaction() as connection:
            connection.exec_driver_sql(f"INSERT INTO hostaway.accounts (account_id) VALUES ({ACCOUNT})")
        writer = PullWriter(database, Owner(ACCOUNT, CUSTOMER))

        def merge(page: list[Row]) -> object:
            return writer.merge(RESERVATIONS, page)

        first = timed(merge, pages(1, rows))
        found: dict[str, list[float]] = {"copy": [], "unchanged": [], "changed": []}
        for version in range(1, ROUNDS + 1):
            found["copy"].append(bare_copy(url, pages(version, rows)))
            found["unchanged"].append(timed(merge, pages(version, rows)))
            found["changed"].append(timed(merge, pages(version + 1, rows)))
        database.dispose()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {name: sorted(values)[len(values) // 2] for name, values in found.items()} | {"first": first, "peak": peak}


def in_fresh_process(rows: int) -> dict[str, float]:
    """Measure in a fresh process, since peak memory is that of a process."""
    code = f"import json; from bench.merge import measure; print(json.dumps(measure({rows})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def run() -> list[Figure]:
    small, large = in_fresh_process(ROWS // 10), in_fresh_process(ROWS)
    rates = {
        "bare COPY": ROWS / large["copy"],
        "merge, new rows": ROWS / large["first"],
        "merge, unchanged": ROWS / large["unchanged"],
        "merge, all changed": ROWS / large["changed"],
    }
    charts.bars("merge", "Rows of 1.5 KB per second", rates, "rows/s")
    copied = f"bare COPY: {ROWS / large['copy']:,.0f} rows/s"
    return [
        at_least(
            "100,000 rows merged again, unchanged: rate to that of COPY",
            large["copy"] / large["unchanged"],
            0.8,
            "×",
            copied,
        ),
        at_least(
            "100,000 rows merged again, all changed: rate to that of COPY",
            large["copy"] / large["changed"],
            0.4,
            "×",
            copied,
        ),
        at_most("peak memory of these merges", large["peak"], 300, " MB", "a page of 500 rows"),
        at_most(
            "growth of the peak memory from 10,000 to 100,000 rows", large["peak"] / small["peak"], 1.1, "×", "flat"
        ),
    ]


if __name__ == "__main__":
    print(table(run()))
