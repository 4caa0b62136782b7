"""Runs the requests of a sync side by side in its pool."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from itertools import islice
from typing import TypeVar

Subject = TypeVar("Subject")
Result = TypeVar("Result")


def side_by_side(
    pool: Executor, read: Callable[[Subject], Result], subjects: Iterable[Subject], *, at_once: int
) -> Iterator[list[Result]]:
    """Call `read` for each subject, `at_once` at a time; raises what a call raises.

    Yields what has arrived since the last batch: a slow database gets larger batches.
    """
    waiting = iter(subjects)
    under_way: set[Future[Result]] = set()
    try:
        while True:
            under_way |= {pool.submit(read, subject) for subject in islice(waiting, at_once - len(under_way))}
            if not under_way:
                return
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            yield [future.result() for future in done]
    finally:
        for future in under_way:
            future.cancel()
