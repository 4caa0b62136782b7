"""A full sync of a filled account under Hostaway's enforced limits, against the floor that the limit itself sets."""

from bench.figures import Figure, at_most, table
from bench.stand import stand

ACCOUNT = 59808
CASE = "full sync of 59808:7:787, 200 ms latency, 200/10 s enforced"


def limit_floor(calls: int) -> float:
    """Seconds below which nobody can be: whole windows that must pass, the token's unusable second, a round trip."""
    return 10 * ((calls - 1) // 200) + 1.2


def run() -> list[Figure]:
    with stand([f"{ACCOUNT}:7:787"]) as made:
        made.add_account(ACCOUNT, with_token=False)
        made.reset_counters()
        full = made.sync(ACCOUNT)
        seen = made.counters()
    calls, seconds = full.report["api_calls"], full.report["seconds"]
    floor = limit_floor(calls)
    said = f"the limit: {floor:.1f} s for {calls} calls"
    return [
        at_most(f"{CASE}: calls", calls, 800, "", "the system this replaces: 812"),
        at_most(f"{CASE}: answers 429 (client and server)", full.report["http_429"] + seen["http_429"], 0, "", "none"),
        at_most(f"{CASE}: {seconds:.1f} s, ratio to the floor", seconds / floor, 1.25, "×", said),
    ]


if __name__ == "__main__":
    print(table(run()))
