"""Dagster's pages of assets, partitions and runs in a browser, with many partitions; and a backfill launched there.

Nothing but the pages is measured: the accounts are paused, and their partitions were filled by runs of this file.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, at_most
from bench.stand import Stand, stand
from hostaway_pipeline.cli.stack import free_port
from tests.browser import CHROMIUM, Browser, browsing

COUNTS = tuple(map(int, os.environ.get("PAGES_COUNTS", "1300 10000").split()))
REAL = ("1", "10")  # the first two of the list, which is in the order of texts
TITLE, RUN_SIZE = "Dagster's pages", 1_000
# Adds accounts without asking Hostaway for tokens.
ADD = """
import sys
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.wiring import open_services
services = open_services(load_settings())
services.migrate()
services.secrets.check()
for i in range(1, int(sys.argv[1]) + 1):
    services.accounts.add(i, f"sandbox-secret-{i}", name=f"Account {i}", customer_id=None, is_due=sys.argv[2] == "due")
services.close()
"""
# Runs of a thousand events each, as those of sweepers are. Prints the id of one.
_FILL = """
import os
import sys
from dagster import AssetMaterialization, DagsterInstance, job, op
from hostaway_pipeline.cli.up import dagster_database_url
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.wiring import open_services
first, count, settings = int(sys.argv[1]), int(sys.argv[2]), load_settings()
services = open_services(settings, create=False)
os.environ["HOSTAWAY_DAGSTER_DATABASE_URL"] = dagster_database_url(settings, services)
@op
def sync(context):
    for i in range(first, first + count):
        metadata = {"rows": i, "account": f"Account {i}"}
        context.log_event(AssetMaterialization(["hostaway", "reservations"], partition=str(i), metadata=metadata))
@job
def reconcile():
    sync()
with DagsterInstance.from_config(str(settings.home / 'dagster')) as instance:
    print(reconcile.execute_in_process(instance=instance).run_id)
"""


def fill(made: Stand, count: int) -> str:
    """Materialize the partitions of accounts 1 to `count`; returns the id of the last run."""
    for first in range(1, count + 1, RUN_SIZE):
        command = [sys.executable, "-c", _FILL, str(first), str(min(RUN_SIZE, count + 1 - first))]
        done = subprocess.run(command, env=made.environment, check=True, capture_output=True, text=True)
    return done.stdout.split()[-1]


def shows(*texts: str) -> str:
    """The condition that the page shows these texts."""
    text = "(document.body?.innerText ?? '')"
    return " && ".join(f"{text}.includes({json.dumps(one)})" for one in texts)


def reading(text: str) -> str:
    """The element that shows just this text, the last one: that of a dialogue, if there is one."""
    return f"[...document.querySelectorAll('*')].filter(e => (e.innerText ?? '').trim() === {json.dumps(text)}).at(-1)"


def backfill(browser: Browser, root: str) -> float:
    """Launch a backfill of two accounts as an operator does; returns the seconds until it is shown as successful."""
    browser.visit(f"{root}/assets/hostaway/reservations?view=partitions", shows("Partitions Selected"))
    began = time.monotonic()
    browser.click(reading("Materialize…"))
    browser.click(reading("Select a partition or create one"))
    browser.wait_for(shows("Select all ("))
    for partition in REAL:
        browser.click(reading(partition))
    browser.wait_for(shows(f"{len(REAL)} partitions"))
    browser.click(reading("Partition selection"))  # closes the list
    browser.click(reading("Launch backfill"))
    browser.wait_for(f"!({shows('Launch runs to materialize')})")
    browser.visit(f"{root}/runs?view=backfills", shows("2 partitions", "Success"), seconds=180)
    return time.monotonic() - began


def case(count: int) -> list[Figure]:
    specs = [f"{account_id}:2:10" for account_id in REAL]
    with stand(specs, latency=0.0, server=("none", "none"), token_delay=0) as made:
        subprocess.run([sys.executable, "-c", ADD, str(count), "later"], env=made.environment, check=True)
        real = ", ".join(REAL)
        made.psql(
            f"UPDATE hostaway.accounts SET paused_until = now() + interval '1 d' WHERE account_id NOT IN ({real})"
        )
        port = free_port()
        with made.up(port, free_port()), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            run_id, root = fill(made, count), f"http://127.0.0.1:{port}"
            with browsing(Path(profile)) as browser:
                asset = f"{root}/assets/hostaway/reservations"
                browser.visit(asset, shows("Latest materialization"))  # the first page also loads the program
                pages = {
                    "asset": (asset, shows("Latest materialization", "Account ")),
                    "partitions": (f"{asset}?view=partitions", shows(f"Materialized ({count})")),
                    "run": (f"{root}/runs/{run_id}", shows("ASSET_MATERIALIZATION")),
                }
                seconds = {name: browser.visit(*page) for name, page in pages.items()}
                launched = backfill(browser, root)
    figures = [
        at_most(f"{count:,} partitions: page of the {name}", took, 3, " s", "none") for name, took in seconds.items()
    ]
    return [
        *figures,
        at_most(
            f"{count:,} partitions: a backfill of two, launched there", launched, 120, " s", "until it shows success"
        ),
    ]


def run() -> list[Figure]:
    if CHROMIUM is None:
        return []
    return [figure for count in COUNTS for figure in case(count)]


if __name__ == "__main__":
    from bench.figures import table

    print(table(run()))
