"""The list of erased guests in a file beside the database: a restored backup does not bring a guest back.

It holds keyed hashes, one entry a line, and must not be part of the backups.
"""

import os
from collections.abc import Collection
from pathlib import Path

from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.store.suppression import Entry

FILE = "suppressed_guests.txt"


def read_entries(home: Path) -> set[Entry]:
    """The entries; none where there is no file. Raises ConfigurationError when the file is damaged."""
    path = home / FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return set()
    try:
        return {_entry(line) for line in lines}
    except ValueError:
        raise ConfigurationError(
            f"{path} is damaged: restore it, or remove it to use the database's list alone"
        ) from None


def write_entries(home: Path, entries: Collection[Entry]) -> None:
    """Replace the file by one with these entries, durably."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = home / f"{FILE}.{os.getpid()}"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.writelines(sorted(f"{e.account_id} {e.kind} {e.key_id} {e.hash.hex()}\n" for e in entries))
        file.flush()
        os.fsync(file.fileno())
    new.replace(home / FILE)


def _entry(line: str) -> Entry:
    account_id, kind, key_id, digest = line.split(" ")
    return Entry(int(account_id), kind, key_id, bytes.fromhex(digest))
