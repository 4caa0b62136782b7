"""The time from a delivery's answer to its row in the whole system: sandbox, receiver, Dagster and the drainer run."""

import json
import time
from typing import Any
from urllib.request import Request, urlopen

from bench import charts
from bench.figures import Figure, at_most, table
from bench.stand import Stand, stand
from hostaway_pipeline.cli.stack import free_port

ACCOUNT, RATE, SECONDS = 59808, 20.0, 180.0
_RUNS = '{ runsOrError(filter: {pipelineName: "%s"}) { ... on Runs { results { status startTime endTime } } } }'
_WAITS = """
    SELECT extract(epoch FROM received_at), extract(epoch FROM applied_at - received_at)
    FROM hostaway.webhook_events WHERE status IN ('applied', 'stale') ORDER BY id
"""


def runs(port: int, job: str) -> list[dict[str, Any]]:
    body = json.dumps({"query": _RUNS % job}).encode()
    request = Request(f"http://127.0.0.1:{port}/graphql", data=body, headers={"Content-Type": "application/json"})
    with urlopen(request) as response:
        return list(json.load(response)["data"]["runsOrError"]["results"])


def wait_until(what: str, done: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.5)


def most_at_once(spans: list[dict[str, Any]]) -> int:
    """The most runs that overlapped."""
    edges = [(span["startTime"], 1) for span in spans if span["startTime"]]
    edges += [(span["endTime"], -1) for span in spans if span["startTime"] and span["endTime"]]
    now = most = 0
    for _, step in sorted(edges):
        now += step
        most = max(most, now)
    return most


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure_live(made: Stand, port: int) -> tuple[list[tuple[float, float]], list[dict[str, Any]]]:
    """The arrival and the seconds until applied of every event, and the drainer's runs."""
    made.add_account(ACCOUNT, sync=True)
    wait_until("the first sync", lambda: any(r["status"] == "SUCCESS" for r in runs(port, "requested")), 300)
    time.sleep(5)
    made.control("traffic", {"per_second": RATE})
    time.sleep(SECONDS)
    made.control("traffic", {"per_second": 0})
    pending = "SELECT count(*) FROM hostaway.webhook_events WHERE status = 'pending'"
    wait_until("the last event", lambda: made.psql(pending).strip() == "0", 60)
    lines = [line.split("|") for line in made.psql(_WAITS).split()]
    return [(float(at), float(wait)) for at, wait in lines], runs(port, "drain_webhooks")


def run() -> list[Figure]:
    port = free_port()
    with stand([f"{ACCOUNT}:7:787"], latency=0.1) as made, made.up(port, free_port()):
        events, drainers = measure_live(made, port)
    began = events[0][0]
    first = events[0][1]
    warm = [wait for at, wait in events if at > began + 15]
    charts.line(
        "push",
        f"Seconds from answer to row, {RATE:g} events per second",
        [(at - began, wait) for at, wait in events],
        3,
    )
    case = f"webhooks, whole system, {RATE:g} events/s for {SECONDS:.0f} s ({len(events):,} events)"
    floor = "polls of the inbox: every 0.1 s"
    return [
        at_most(f"{case}: answer to row, p50", percentile(warm, 0.5), 0.5, " s", floor),
        at_most(f"{case}: answer to row, p95", percentile(warm, 0.95), 3, " s", floor),
        at_most(
            f"{case}: answer to row, first event after idle",
            first,
            10,
            " s",
            "a sensor tick of 5 s, and the start of an interpreter",
        ),
        at_most(f"{case}: concurrent drainer runs", most_at_once(drainers), 1, "", "one"),
        at_most(f"{case}: drainer runs", len(drainers), 2, "", "one per 5 minutes"),
    ]


if __name__ == "__main__":
    print(table(run()))
