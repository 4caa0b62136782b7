"""What trees of processes have cost: CPU seconds, ended children included, and memory."""

from collections.abc import Iterable
from contextlib import suppress

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """The process and its descendants."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(*pids: int) -> float:
    """CPU seconds of these trees so far; those of a child that has ended count from when its parent has noticed."""
    total = 0.0
    for pid in pids:
        for process in tree(pid):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system + times.children_user + times.children_system
    return total


def pss_mb(*pids: int) -> float:
    """Memory of these trees in MB, with each shared page divided by the number of processes that share it."""
    return own_pss_mb(process.pid for pid in pids for process in tree(pid))


def own_pss_mb(pids: Iterable[int]) -> float:
    """Memory of these processes alone."""
    total = 0
    for pid in pids:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += psutil.Process(pid).memory_full_info().pss
    return total / 1e6
