"""Compares the merge with the one before it also filled finance lines, guests and 30 columns more.

Both revisions run side by side and take turns, each on a server of its own, so that a busy machine slows both.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.figures import Figure, at_most, table

ROOT = Path(__file__).parents[1]
FIRST_FILE = "hostaway_pipeline/store/migrations/versions/0011_typed_columns.py"  # came with the columns
ROUNDS = 10
ROWS = 3_000  # as in bench/merge_side.py
KINDS = {
    "plain": ("without finance lines", 1.5),
    "lines": ("with 5 finance lines that stay, and a guest", 1.5),
    "moved": ("with 5 finance lines that all change, and a guest", 2.5),  # five rows more are written
}
Side = subprocess.Popen[str]
Turn = dict[Side, float]


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder, worktree(Path(folder)) as before:
        old, new = side(before), side(ROOT)
        try:
            return list(compare(old, new))
        finally:
            for process in (old, new):
                process.communicate()


def compare(old: Side, new: Side) -> Iterator[Figure]:
    unchanged = list[Turn]()
    for kind, (name, most) in KINDS.items():
        for process in (old, new):
            merge(process, kind, 1)
        changed = list[Turn]()
        for number in range(ROUNDS):
            order = (old, new) if number % 2 else (new, old)
            unchanged.append(best(order * 3, kind, number + 1))
            changed.append(best(order, kind, number + 2))
        yield figure(f"reservations {name}, changed", changed, old, new, most)
    yield figure("reservations of all three kinds, unchanged", unchanged, old, new, 1.05)


def best(order: Sequence[Side], kind: str, version: int) -> Turn:
    """The seconds of each side; of several tries, the shortest, since it is disturbed least."""
    turn = dict.fromkeys(order, float("inf"))
    for process in order:
        turn[process] = min(turn[process], merge(process, kind, version))
    return turn


def figure(name: str, turns: list[Turn], old: Side, new: Side, most: float) -> Figure:
    ratio = statistics.median(turn[new] / turn[old] for turn in turns)
    each = statistics.median(turn[old] for turn in turns) / ROWS * 1e6
    return at_most(f"{name}: merge to that before", ratio, most, "×", f"before: {each:.0f} µs a row")


def merge(process: Side, kind: str, version: int) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{kind} {version}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def side(root: Path) -> Side:
    script = Path(__file__).with_name("merge_side.py")
    return subprocess.Popen(
        [sys.executable, str(script)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def worktree(folder: Path) -> Iterator[Path]:
    """The revision before the columns came."""
    found = git("log", "--diff-filter=A", "--format=%H", "--", FIRST_FILE).split()
    before = folder / "before"
    git("worktree", "add", "--detach", str(before), f"{found[-1]}^")
    try:
        yield before
    finally:
        git("worktree", "remove", "--force", str(before))


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    print(table(run()))
