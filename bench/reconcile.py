"""Reconcile and refresh: their cost when nothing has changed, and when some conversations and reservations have."""

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
        fresh = refreshes(made)
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
        *fresh,
    ]


def refreshes(made: Stand) -> list[Figure]:
    """Refreshes after nothing, and after few and many of the host's replies, of which no webhook tells."""
    still = made.sync(ACCOUNT, "--mode", "refresh").report
    case, floor = "refresh of 59808:7:787, 200 ms latency", "the pages of changes and of two orders: 3"
    figures = [
        at_most(f"{case}, nothing changed: calls", still["api_calls"], 6, "", floor),
        at_most(f"{case}, nothing changed: duration", still["seconds"], 5, " s", "three round trips: 0.6 s"),
    ]
    missed = 0
    for moved in (5, 40):
        reply(made, moved)
        report = made.sync(ACCOUNT, "--mode", "refresh").report
        missed += moved - report["entities"]["messages"]["inserted"]
        text = f"{case}, {moved} conversations moved: calls"
        figures.append(at_most(text, report["api_calls"], 6 + 2 * moved, "", f"3, plus {moved} conversations"))
    return [*figures, at_most(f"{case}: messages missed", missed, 0, "", "none")]


def reply(made: Stand, number: int) -> None:
    base = f"accounts/{ACCOUNT}/conversations"
    for conversation in made.control(f"{base}?fields=id")[-number:]:
        made.control(f"{base}/{conversation['id']}/message", {"body": "a reply", "is_incoming": False})


if __name__ == "__main__":
    print(table(run()))
