"""Runs the requests of a sync side by side in its pool."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from itertools import islice
from typing import TypeVar

Subject = TypeVar("Subject")
Result = TypeVar("Result")
# A batch is stored in one transaction, which costs as much as ten rows.
_GATHER_SECONDS = 0.1


def side_by_side(
    pool: Executor, read: Callable[[Subject], Result], subjects: Iterable[Subject], *, at_once: int
) -> Iterator[list[Result]]:
    """Call `read` for each subject, `at_once` at a time; raises what a call raises, after what arrived beside it.

    Yields what arrives within a tenth of a second, or since the last batch: a slow database gets larger batches.
    """
    waiting = iter(subjects)
    under_way: set[Future[Result]] = set()
    try:
        while True:
            arrived: list[Future[Result]] = []
            ends_at: float | None = None
            while under_way := under_way | _submit(pool, read, waiting, at_once - len(under_way)):
                left = None if ends_at is None else ends_at - time.monotonic()
                if left is not None and left <= 0:
                    break
                done, under_way = wait(under_way, left, FIRST_COMPLETED)
                arrived += done
                ends_at = ends_at or time.monotonic() + _GATHER_SECONDS
            if not arrived:
                return
            if results := [future.result() for future in arrived if future.exception() is None]:
                yield results
            for future in arrived:
                future.result()
    finally:
        for future in under_way:
            future.cancel()


def _submit(
    pool: Executor, read: Callable[[Subject], Result], waiting: Iterator[Subject], most: int
) -> set[Future[Result]]:
    return {pool.submit(read, subject) for subject in islice(waiting, most)}
