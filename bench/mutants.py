"""Mutation testing: the share of small faults in domain/ that the unit tests notice.

`make mutants` runs mutmut (configured in pyproject.toml) and writes the result to mutants.json and RESULTS.md;
`make bench` repeats the last one. `python -m bench.mutants --list` lists the survivors. mutmut skips constants and
decorated functions, and a function that builds something at import (`_first_instant`) cannot be mutated in its forks.
"""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Figure, at_least, table

KEPT = Path(__file__).with_name("mutants.json")
RESULTS = Path(__file__).with_name("RESULTS.md")
TITLE = "Mutants"
_MUTMUT = Path(sys.executable).with_name("mutmut")
_KILLED = ("killed", "timeout", "segfault")
_LEAST_PERCENT = 85


def run() -> list[Figure]:
    """The figures of the last `make mutants`; none before the first."""
    if not KEPT.exists():
        return []
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    killed, made = (sum(module[name] for module in kept["modules"].values()) for name in ("killed", "made"))
    lowest = min(kept["modules"], key=lambda name: kept["modules"][name]["killed"] / kept["modules"][name]["made"])
    worst = kept["modules"][lowest]
    return [
        at_least(
            f"domain/: mutants killed by tests/unit ({kept['at']})",
            100 * killed / made,
            _LEAST_PERCENT,
            "%",
            f"{killed} of {made}; lowest: {lowest} {worst['killed']} of {worst['made']}",
        )
    ]


def main() -> None:
    if "--list" in sys.argv:
        print("\n".join(name for name, status in _statuses() if status not in _KILLED))
        return
    shutil.rmtree("mutants", ignore_errors=True)
    subprocess.run(["nice", _MUTMUT, "run", "--max-children", "2"], check=True)
    modules: dict[str, Counter[str]] = {}
    for name, status in _statuses():
        module = re.sub(r"^hostaway_pipeline\.domain\.(\w+)\..*", r"\1.py", name)
        modules.setdefault(module, Counter()).update(["made", *(["killed"] if status in _KILLED else [])])
    counts = {name: {"made": c["made"], "killed": c["killed"]} for name, c in sorted(modules.items())}
    KEPT.write_text(json.dumps({"at": f"{datetime.now(UTC):%Y-%m-%d}", "modules": counts}, indent=1) + "\n")
    figures = run()
    print(table(figures))
    _replace_section(table(figures))
    if not all(figure.holds for figure in figures):
        sys.exit("too many mutants survive; `python -m bench.mutants --list` lists them")


def _statuses() -> list[tuple[str, str]]:
    """The name and the status of each mutant."""
    listed = subprocess.run([_MUTMUT, "results", "--all", "true"], check=True, capture_output=True, text=True).stdout
    lines = (line.strip().rpartition(": ") for line in listed.splitlines() if ": " in line)
    return [(name, status) for name, _, status in lines]


def _replace_section(text: str) -> None:
    """Replace the section in RESULTS.md, whose rest is written by `make bench`."""
    results = RESULTS.read_text(encoding="utf-8")
    section = f"## {TITLE}\n\n{text}\n\n"
    present = re.compile(rf"## {TITLE}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    if present.search(results):
        results = present.sub(lambda _: section, results)
    else:
        results = results.replace("## Pictures\n", f"{section}## Pictures\n")
    RESULTS.write_text(results, encoding="utf-8")


if __name__ == "__main__":
    main()
