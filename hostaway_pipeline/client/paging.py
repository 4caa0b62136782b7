"""Reading whole lists: what to ask for next, given what came.

The server may return fewer rows than asked for, at any page and without saying so. So a reader advances by what came,
and stops when the count is reached, at an empty page, or when a page brings nothing new. The empty page is handed on,
too: it tells that the list has ended. `to_the_end`: go on to it even where the count is reached.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Any

from hostaway_pipeline.client.answers import Page
from hostaway_pipeline.errors import NotFound

FetchAt = Callable[[int], Page]
FetchAfter = Callable[[Any], Page]


def after_id(fetch: FetchAfter, *, to_the_end: bool = False) -> Iterator[Page]:
    """Pages by `afterId`, which is a position in the server's order: a deleted row shifts nothing.

    A position whose row has gone ends the pass early; the caller sees that its ids do not add up to the count.
    """
    position: Any = None
    seen: set[Any] = set()
    while True:
        try:
            page = fetch(position)
        except NotFound:
            if position is None:
                raise
            return
        ids = {row_id for row in page.rows if isinstance(row_id := row.get("id"), int | str)}
        if not ids - seen:
            # Also how a server that ignores `afterId`, and answers with the first page for ever, comes to an end.
            if position is None or not page.rows:
                yield page
            return
        seen |= ids
        yield page
        if page.count is not None and len(seen) >= page.count and not to_the_end:
            return
        position = page.rows[-1].get("id")


def by_offset(fetch: FetchAt, pool: Executor, *, concurrency: int, to_the_end: bool = False) -> Iterator[Page]:
    """Pages by `offset`, several at a time, in the order of their arrival.

    The first page tells the count and how many rows the server really gives; a page that comes back shorter than its
    stretch leaves a rest, which is asked for again.
    """
    first = fetch(0)
    yield first
    size, end = len(first.rows), first.count
    if size == 0:
        return
    if end is None:
        yield from paginate(fetch, size)
        return
    has_ended, furthest = False, size
    stretches = iter([(start, min(start + size, end)) for start in range(size, end, size)])
    under_way: dict[Future[Page], tuple[int, int]] = {}
    try:
        while True:
            while len(under_way) < concurrency and (stretch := next(stretches, None)) is not None:
                under_way[pool.submit(fetch, stretch[0])] = stretch
            if not under_way:
                break
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                start, stop = under_way.pop(future)
                page = future.result()
                yield page
                reached = start + len(page.rows)
                has_ended, furthest = has_ended or not page.rows, max(furthest, reached)
                if page.rows and reached < stop:
                    under_way[pool.submit(fetch, reached)] = (reached, stop)
    finally:
        for future in under_way:
            future.cancel()
    if to_the_end and not has_ended:
        yield from paginate(fetch, furthest)


def paginate(fetch: FetchAt, offset: int = 0) -> Iterator[Page]:
    """Pages by `offset`, one after another, up to the empty one, which is handed on."""
    while True:
        page = fetch(offset)
        yield page
        if not page.rows:
            return
        offset += len(page.rows)
