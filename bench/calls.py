"""What one sync costs, by mode and size of the account, when nothing has changed: domain/capacity.py counts on it."""

import subprocess
import sys

from bench.figures import Figure, at_most, table
from bench.fleet import postmaster
from bench.processes import cpu_seconds
from bench.stand import Stand, stand
from hostaway_pipeline.domain.capacity import ACCOUNTS, SyncCost

SYNCS = 10
_PEER = "what `hostaway doctor capacity` counts"
_SYNCS = """
import sys, time
from hostaway_pipeline.domain.cadences import sync_of
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.sync.pull.request import PullRequest
from hostaway_pipeline.sync.pull.run import pull
from hostaway_pipeline.wiring import open_services
services = open_services(load_settings())
services.secrets.check()
account, cadence, number = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
mode, entities = sync_of(cadence)
began = time.process_time()
for _ in range(number):
    report = pull(services, PullRequest(account, mode=mode, entities=entities, reread_share=0.0))
    assert report.status == "succeeded", report
print(report.api_calls, (time.process_time() - began) / number)
services.close()
"""


def sync(made: Stand, account_id: int, cadence: str) -> tuple[int, float]:
    """Calls and CPU-seconds of one sync, Python and Postgres, in a process that makes several."""
    before = cpu_seconds(postmaster(made))
    command = [sys.executable, "-c", _SYNCS, str(account_id), cadence, str(SYNCS)]
    printed = subprocess.run(command, env=made.environment, check=True, capture_output=True, text=True).stdout
    calls, seconds = printed.split()
    return int(calls), float(seconds) + (cpu_seconds(postmaster(made)) - before) / SYNCS


def run() -> list[Figure]:
    figures: list[Figure] = []
    specs = [f"{number}:{name}" for number, name in enumerate(ACCOUNTS, 1)]
    with stand(specs, latency=0.0, server=("none", "none")) as made:
        for number, (name, cost) in enumerate(ACCOUNTS.items(), 1):
            made.add_account(number)
            first = made.sync(number).report["api_calls"]
            figures.append(at_most(f"first sync of {name}: calls", first, cost.first, "", _PEER))
            for cadence in ("reconcile", "refresh", "listings"):
                counted: SyncCost = getattr(cost, cadence)
                calls, seconds = sync(made, number, cadence)
                figures.append(at_most(f"{cadence} of {name}: calls", calls, counted.calls, "", _PEER))
                figures.append(at_most(f"{cadence} of {name}: CPU", seconds, counted.cpu, " s", _PEER))
    return figures


if __name__ == "__main__":
    print(table(run()))
