"""Reads or creates the file with the embedded database's encryption key, readable by its owner only."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hostaway_pipeline.errors import KeyringError
from hostaway_pipeline.security.keyring import generate_key


def read_key(path: Path, *, may_create: Callable[[], bool]) -> str:
    """The key, created at the first start. Raises KeyringError when it is lost or others can read it.

    `may_create`: whether no stored secret needs an earlier key; called only when the file is missing. A lost key is an
    error and is never replaced by a new one.
    """
    if not path.exists():
        if not may_create():
            raise KeyringError(f"{path} is gone, and stored secrets need it: restore the file from a backup")
        _create(path, f"embedded:{generate_key()}")
    if path.stat().st_mode & 0o077:
        raise KeyringError(f"{path} can be read by others: run `chmod 600 {path}`")
    return path.read_text(encoding="ascii").strip()


def _create(path: Path, text: str) -> None:
    """When two processes start at once, the second keeps the file of the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
