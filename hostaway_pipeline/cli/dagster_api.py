"""Queries Dagster's webserver over GraphQL, because importing Dagster would double the start-up time of the command."""

from urllib.request import Request, urlopen

import orjson

_NEWEST_RUN = """
    query ($job: String!) {
        runsOrError(filter: {pipelineName: $job}, limit: 1) { ... on Runs { results { status } } }
    }
"""


def newest_run_status(base_url: str, job: str) -> str | None:
    """Return the status of the job's newest run, such as QUEUED or SUCCESS; None before its first run."""
    body = orjson.dumps({"query": _NEWEST_RUN, "variables": {"job": job}})
    request = Request(f"{base_url}/graphql", data=body, headers={"Content-Type": "application/json"})  # noqa: S310
    with urlopen(request, timeout=10) as response:  # noqa: S310 (a loopback URL of our own)
        runs = orjson.loads(response.read())["data"]["runsOrError"]["results"]
    return runs[0]["status"] if runs else None
