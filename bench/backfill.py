"""A backfill of every account, launched as Dagster's UI does, through the whole system, while webhooks come."""

import json
import os
import time
from typing import Any
from urllib.request import Request, urlopen

from bench.figures import Figure, at_most, table
from bench.fleet import add_accounts, number, postmaster
from bench.processes import cpu_seconds
from bench.push import percentile
from bench.stand import stand
from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.domain.entities import ENTITIES

COUNT = int(os.environ.get("BACKFILL_ACCOUNTS", "1300"))
CHANGES = 2.0  # at Hostaway, per second: those of accounts whose backfill has registered a webhook are delivered
_LONGEST = 1800.0
_LAUNCH = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_STATUS = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status
    assetBackfillData { assetBackfillStatuses { ... on AssetPartitionsStatusCounts {
    numPartitionsTargeted numPartitionsMaterialized numPartitionsFailed } } } } } }"""
_PARTITIONS = '{ assetNodeOrError(assetKey: {path: ["hostaway", "listings"]}) { ... on AssetNode { partitionKeys } } }'


def ask(port: int, query: str, **variables: Any) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = Request(f"http://127.0.0.1:{port}/graphql", data=body, headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=120) as response:
        (answer,) = json.load(response)["data"].values()
    return answer


def launch(port: int) -> str:
    """Backfill all partitions of all entities; returns the backfill's id."""
    partitions = ask(port, _PARTITIONS)["partitionKeys"]
    keys = [{"path": ["hostaway", name]} for name in ENTITIES]
    found = ask(port, _LAUNCH, params={"assetSelection": keys, "partitionNames": partitions})
    return str(found["backfillId"])


def wait_for_partitions(port: int) -> None:
    deadline = time.monotonic() + 300
    while len(ask(port, _PARTITIONS)["partitionKeys"]) < COUNT:
        if time.monotonic() > deadline:
            raise TimeoutError("the accounts have no partitions")
        time.sleep(5)


def run() -> list[Figure]:
    case = f"Backfill of {COUNT:,} × 2:10 from the UI"
    with stand([f"1-{COUNT}:2:10"], latency=0.0, server=("none", "none"), token_delay=0) as made:
        add_accounts(made, COUNT, is_due=False)
        made.psql("UPDATE hostaway.cadences SET next_due_at = now() + interval '1 day'")
        port, database = free_port(), postmaster(made)
        with made.up(port, free_port()) as stack:
            wait_for_partitions(port)
            made.control("traffic", {"per_second": CHANGES})
            before, began = cpu_seconds(stack, database), time.monotonic()
            backfill_id = launch(port)
            while (found := ask(port, _STATUS, id=backfill_id))["status"] in ("REQUESTED", "IN_PROGRESS"):
                if time.monotonic() - began > _LONGEST:
                    break
                time.sleep(5)
            seconds, used = time.monotonic() - began, cpu_seconds(stack, database) - before
            made.control("traffic", {"per_second": 0})
            time.sleep(20)
            waits = made.psql("SELECT extract(epoch FROM applied_at - received_at) FROM hostaway.webhook_events "
                              "WHERE applied_at IS NOT NULL").split()  # fmt: skip
            left = number(made, "SELECT count(*) FROM hostaway.webhook_events WHERE applied_at IS NULL")
    counts = found["assetBackfillData"]["assetBackfillStatuses"]
    missing = sum(one["numPartitionsTargeted"] - one["numPartitionsMaterialized"] for one in counts)
    slowest = percentile(sorted(map(float, waits)), 1.0) if waits and not left else _LONGEST
    return [
        at_most(f"{case}: duration", seconds / 60, 15, " min", f"{used / COUNT:.2f} CPU-s for each account"),
        at_most(f"{case}: partitions without a result of their own", missing, 0, "", f"{len(counts)} assets each"),
        at_most(
            f"{case}: slowest of {len(waits):,} webhooks",
            slowest,
            10,
            " s",
            f"{CHANGES:.0f} changes/s",
        ),
    ]


if __name__ == "__main__":
    print(table(run()))
