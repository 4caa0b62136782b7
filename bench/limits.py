"""Rate limits: several processes under one enforced limit, and a server that is stricter than the settings."""

import json
import time

from bench import charts
from bench.figures import Figure, at_least, at_most, table
from bench.stand import Stand, stand

WINDOW = 10.0


def arrivals(made: Stand) -> list[float]:
    """The times of the accepted requests, in order, in seconds of the sandbox's clock."""
    return sorted(at for at, _, _, status in made.control("arrivals") if status != 429)


def window_counts(instants: list[float]) -> list[int]:
    """For each request, how many arrived in the window that ends with it."""
    counts, first = [], 0
    for last, instant in enumerate(instants):
        while instants[first] <= instant - WINDOW:
            first += 1
        counts.append(last - first + 1)
    return counts


def share_used(instants: list[float], limit: int) -> float:
    """The share of the limit that was used in the whole windows between the first and the last request."""
    windows = int((instants[-1] - instants[0]) / WINDOW)
    end = instants[0] + windows * WINDOW
    return sum(instant < end for instant in instants) / (limit * windows)


def four_processes() -> list[Figure]:
    ids = (1, 2, 3, 4)
    with stand([f"{n}:3:30" for n in ids], server=("15/10", "20/10")) as made:
        for account_id in ids:
            made.add_account(account_id)
        time.sleep(WINDOW)  # until the requests of `accounts add` have left the window
        made.reset_counters()
        began = time.monotonic()
        processes = {account_id: made.start_sync(account_id) for account_id in ids}
        rates, limited = {}, 0
        for process in processes.values():
            output, _ = process.communicate()
            report = json.loads(output)
            rates[report["account_id"]] = report["api_calls"] / report["seconds"]
            limited += report["http_429"]
        seconds = time.monotonic() - began
        instants = arrivals(made)
    in_window = [(at - instants[0], count) for at, count in zip(instants, window_counts(instants), strict=True)]
    charts.line("limits", "Requests in the last 10 s at the server: 4 processes under 15/10 s", in_window, 15)
    case = f"15/10 s per IP, 20/10 s per account, 4 processes, {seconds:.0f} s"
    return [
        at_most(f"{case}: 429 answers", limited, 0, "", "none"),
        at_most(
            f"{case}: most requests in any 10 s, at the server", max(window_counts(instants)), 15, "", "the limit: 15"
        ),
        at_least(f"{case}: share of the limit used", share_used(instants, 15), 0.95, "×", "the limit: 1"),
        at_least(
            f"{case}: rate of the slowest process to that of the fastest",
            min(rates.values()) / max(rates.values()),
            0.5,
            "×",
            "equal rates: 1",
        ),
    ]


def slower_than_configured() -> list[Figure]:
    with stand(["1:3:220"], server=("15/10", "20/10"), client=("200/10", "200/10")) as made:
        made.add_account(1)
        time.sleep(WINDOW)
        made.reset_counters()
        report = made.sync(1).report
        instants = arrivals(made)
    steady = [instant for instant in instants if instant >= instants[0] + 60]
    case = "default settings, a server that enforces 15/10 s per IP and 20/10 s per account"
    calls = f"{report['api_calls']} calls, {report['http_429']} answers 429"
    return [
        at_least(f"{case}: share of the limit used after a minute", share_used(steady, 15), 0.85, "×", f"1 ({calls})"),
    ]


def run() -> list[Figure]:
    return four_processes() + slower_than_configured()


if __name__ == "__main__":
    print(table(run()))
