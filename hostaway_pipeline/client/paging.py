"""Reads whole lists page by page.

Any page may hold fewer rows than requested. So a reader advances by the rows received, and stops when the count is
reached, at an empty page, or when a page holds nothing new. The empty page is yielded, too: it shows that the list has
ended. `to_the_end`: read up to the empty page even when the count is reached.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Any

from hostaway_pipeline.client.answers import Page
from hostaway_pipeline.errors import NotFound

FetchAt = Callable[[int], Page]
FetchAfter = Callable[[Any], Page]


def after_id(fetch: FetchAfter, *, to_the_end: bool = False) -> Iterator[Page]:
    """Page by `afterId`, a position in the server's order: deleted rows shift nothing.

    When the row of the position is deleted, the pass ends early; the caller sees fewer ids than the count.
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
            # Also ends on a server that ignores `afterId` and returns the first page for ever.
            if position is None or not page.rows:
                yield page
            return
        seen |= ids
        yield page
        if page.count is not None and len(seen) >= page.count and not to_the_end:
            return
        position = page.rows[-1].get("id")


def by_offset(fetch: FetchAt, pool: Executor, *, concurrency: int, to_the_end: bool = False) -> Iterator[Page]:
    """Page by `offset`, several pages at a time; yields them as they arrive.

    The first page gives the count and the real page size. A page shorter than its range is followed by a request for
    the rest of the range.
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
    ranges = iter([(start, min(start + size, end)) for start in range(size, end, size)])
    under_way: dict[Future[Page], tuple[int, int]] = {}
    try:
        while True:
            while len(under_way) < concurrency and (bounds := next(ranges, None)) is not None:
                under_way[pool.submit(fetch, bounds[0])] = bounds
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
    """Page by `offset`, one page after another, up to and including the empty one."""
    while True:
        page = fetch(offset)
        yield page
        if not page.rows:
            return
        offset += len(page.rows)
