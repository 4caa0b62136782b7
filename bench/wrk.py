"""Runs wrk, an independent load generator, where it is installed (`apt-get install wrk`).

It notices what load.py does not, such as a pause of the server that holds all connections at once.
"""

import base64
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """
local number = %(first_id)d
local before, after = %(before)s, %(after)s
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Basic %(token)s"
function request()
  number = number + 1
  return wrk.format(nil, "/webhooks/hostaway", nil, before .. string.format("%%010d", number) .. after)
end
function done(summary, latency, requests)
  local wrong = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("RESULT %%f %%f %%f %%f\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, wrong))
end
"""


@dataclass(frozen=True, slots=True)
class WrkResult:
    """wrk's figures: deliveries per second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def is_installed() -> bool:
    return shutil.which("wrk") is not None


def run(
    port: int, login: str, password: str, account_id: int, first_id: int, *, connections: int, seconds: int
) -> WrkResult:
    """Send deliveries of 1.5 KB, each for another reservation. Raises RuntimeError when an answer is not 2xx."""
    payload = {"id": 0, "listingMapId": 40, "status": "new", "updatedOn": "2026-06-02 10:00:00", "hostNote": "x" * 1300}
    body = {"object": "reservation", "event": "reservation.updated", "accountId": account_id, "data": payload}
    before, after = json.dumps(body).split('"id": 0,', 1)
    values = {
        "first_id": first_id,
        "before": json.dumps(f'{before}"id": 1'),
        "after": json.dumps("," + after),
        "token": base64.b64encode(f"{login}:{password}".encode()).decode(),
    }
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "deliver.lua"
        script.write_text(_SCRIPT % values)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    rate, p50, p99, wrong = (float(part) for part in line.split()[1:])
    if wrong:
        raise RuntimeError(f"{wrong:.0f} deliveries were not answered 2xx")
    return WrkResult(rate, p50, p99)
