"""Reconcile: its cost when nothing was missed, and when some conversations and reservations need repair."""

import time

from bench.figures import Figure, at_most, table
from bench.stand import Stand, stand

ACCOUNT = 59808
CONVERSATIONS, RESERVATIONS = 12, 9
CASE = "reconcile of 59808:7:787, 200 ms latency"


def written(report: dict[str, dict[str, dict[str, int]]]) -> int:
    return sum(c["inserted"] + c["updated"] + c["deleted"] for c in report["entities"].values())


def change(made: Stand) -> None:
    """Add a message to some conversations and change the guest of some reservations."""
    base = f"accounts/{ACCOUNT}"
    for conversation in made.control(f"{base}/conversations?fields=id")[:CONVERSATIONS]:
        made.control(f"{base}/conversations/{conversation['id']}/message", {"body": "new words"})
    for reservation in made.control(f"{base}/reservations?fields=id")[:RESERVATIONS]:
        made.control(f"{base}/reservations/{reservation['id']}/update", {"guestName": "new name"})


def run() -> list[Figure]:
    with stand([f"{ACCOUNT}:7:787"]) as made:
        made.add_account(ACCOUNT)
        made.sync(ACCOUNT)
        time.sleep(10.5)  # until the requests of the full sync have left the window
        made.reset_counters()
        still = made.sync(ACCOUNT, "--mode", "reconcile").report
        tokens = made.counters()["calls"].get("POST /v1/accessTokens", 0)
        change(made)
        moved = made.sync(ACCOUNT, "--mode", "reconcile").report
    pages = 1 + 2 + 8
    wrong = abs(moved["entities"]["reservations"]["updated"] - RESERVATIONS)
    wrong += abs(moved["entities"]["messages"]["inserted"] - CONVERSATIONS)
    case = f"{CASE}, {CONVERSATIONS} conversations and {RESERVATIONS} reservations changed"
    floor = f"the pages of the three lists: {pages}"
    return [
        at_most(f"{CASE}, nothing changed: calls", still["api_calls"], 14, "", floor),
        at_most(f"{CASE}, nothing changed: rows written", written(still), 0, "", "none"),
        at_most(f"{CASE}, nothing changed: tokens requested", tokens, 0, "", "none"),
        at_most(f"{CASE}, nothing changed: duration", still["seconds"], 5, " s", "two round trips: 0.4 s"),
        at_most(
            f"{case}: calls", moved["api_calls"], 14 + CONVERSATIONS, "", f"{floor}, plus {CONVERSATIONS} conversations"
        ),
        at_most(f"{case}: rows missed or written in excess", wrong, 0, "", "exactly the changed ones"),
    ]


if __name__ == "__main__":
    print(table(run()))
