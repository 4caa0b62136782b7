"""A full sync of a filled account, under the enforced rate limit and without it."""

from bench.figures import Figure, at_most, table
from bench.stand import stand

ACCOUNT = 59808
CASE = "full sync of 59808:7:787, 200 ms latency"


def limit_floor(calls: int) -> float:
    """The least seconds a sync can take: full windows that must pass, the wait for a usable token, a round trip."""
    return 10 * ((calls - 1) // 200) + 1.2


def run() -> list[Figure]:
    with stand([f"{ACCOUNT}:7:787"]) as made:
        made.add_account(ACCOUNT, with_token=False)
        made.reset_counters()
        full = made.sync(ACCOUNT)
        seen = made.counters()
    calls, seconds = full.report["api_calls"], full.report["seconds"]
    floor = limit_floor(calls)
    floor_text = f"the limit itself: {floor:.1f} s for {calls} calls"
    limited = full.report["http_429"] + seen["http_429"]
    with stand([f"{ACCOUNT}:7:787"], server=("none", "none")) as made:
        made.add_account(ACCOUNT)
        free = made.sync(ACCOUNT).report["seconds"]
    trips = 0.2 * (4 + calls / 32)
    return [
        at_most(f"{CASE}, 200/10 s enforced: calls", calls, 800, "", "the system this replaces: 812"),
        at_most(f"{CASE}, 200/10 s enforced: 429 answers", limited, 0, "", "none"),
        at_most(
            f"{CASE}, 200/10 s enforced: duration ({seconds:.1f} s) to the floor",
            seconds / floor,
            1.15,
            "×",
            floor_text,
        ),
        at_most(f"{CASE}, without limits: duration", free, 15, " s", f"round trips at 32 a time: {trips:.1f} s"),
    ]


if __name__ == "__main__":
    print(table(run()))
