"""Reading whole lists from a server that gives fewer rows than asked for, and whose rows move meanwhile."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.client.answers import Page
from hostaway_pipeline.client.endpoints import after_id, by_offset
from hostaway_pipeline.errors import NotFound, ServerError

MOST_PAGES = 500  # a reader that goes round in circles fails instead of hanging


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def ids_of(pages: Iterator[Page]) -> list[Any]:
    taken = list(itertools.islice(pages, MOST_PAGES))
    assert len(taken) < MOST_PAGES, "the reader does not come to an end"
    return [row["id"] for page in taken for row in page.rows]


class Server:
    """A list as Hostaway serves it: at most `cap` rows a page, `afterId` a position in the server's order.

    `before(request number, self)` may change the list between requests.
    """

    def __init__(
        self,
        size: int = 0,
        *,
        cap: int = 10,
        counts: bool = True,
        before: Callable[[int, "Server"], None] = lambda number, server: None,
    ) -> None:
        # Ids are not monotonic in the server's order: 7 and 1009 have no common divisor.
        self.ids = [1 + (index * 7) % 1009 for index in range(size)]
        self.cap = cap
        self.counts = counts
        self.requests: list[Any] = []
        self._before = before
        self._lock = threading.Lock()

    def at(self, offset: int) -> Page:
        with self._lock:
            self._arrived(offset)
            return self._page(offset)

    def after(self, position: Any) -> Page:
        with self._lock:
            self._arrived(position)
            if position is None:
                return self._page(0)
            if position not in self.ids:
                raise NotFound(f"no row {position}")
            return self._page(self.ids.index(position) + 1)

    def _arrived(self, request: Any) -> None:
        self.requests.append(request)
        self._before(len(self.requests), self)

    def _page(self, start: int) -> Page:
        ids = self.ids[start : start + self.cap]
        return Page([{"id": one} for one in ids], len(self.ids) if self.counts else None)


def on(request: int, change: Callable[[Server], Any]) -> Callable[[int, Server], None]:
    """Changes the list just before the given request is answered."""

    def before(number: int, server: Server) -> None:
        if number == request:
            change(server)

    return before


# afterId


@pytest.mark.parametrize("size", [1, 9, 10, 11, 95, 100])
def test_after_id_reads_every_row_once_and_in_order(size):
    server = Server(size)
    assert ids_of(after_id(server.after)) == server.ids


def test_after_id_asks_for_what_follows_the_last_row():
    """The last one in the server's order, which is not the greatest id."""
    server = Server(25)
    ids_of(after_id(server.after))
    assert server.requests == [None, server.ids[9], server.ids[19]]


def test_after_id_stops_at_the_count():
    """No request only to learn that the list is over."""
    server = Server(20)
    ids_of(after_id(server.after))
    assert len(server.requests) == 2


def test_after_id_without_a_count_stops_at_an_empty_page():
    server = Server(20, counts=False)
    assert ids_of(after_id(server.after)) == server.ids
    assert len(server.requests) == 3


def test_after_id_does_not_take_a_short_page_for_the_last():
    """The server caps `limit` silently, and may give less than that at any page."""
    server = Server(30, before=lambda number, server: setattr(server, "cap", [10, 1, 3, 10, 2, 10, 10][number - 1]))
    assert ids_of(after_id(server.after)) == server.ids


@pytest.mark.parametrize("counts", [True, False])
def test_after_id_hands_on_an_empty_first_page(counts):
    """An empty list is an answer, and its count of 0 makes the pass complete."""
    server = Server(0, counts=counts)
    assert list(after_id(server.after)) == [Page([], 0 if counts else None)]
    assert len(server.requests) == 1


def test_after_id_ends_although_a_server_ignores_it():
    """Unknown parameters are ignored silently: the first page would come for ever."""
    server = Server(30)
    assert ids_of(after_id(lambda _: server.after(None))) == server.ids[:10]
    assert len(server.requests) == 2


def test_after_id_ends_early_when_the_row_it_stands_on_has_gone():
    """The ids then do not add up to the count, so that the pass is not complete and is read again."""
    server = Server(30, before=on(2, lambda server: server.ids.remove(server.ids[9])))
    first_page = server.ids[:10]
    assert ids_of(after_id(server.after)) == first_page


def test_after_id_hands_on_a_404_for_the_list_itself():
    """Not an empty list: a failed read must not look like one."""

    def fetch(_: Any) -> Page:
        raise NotFound("GET /reservations: HTTP 404")

    with pytest.raises(NotFound):
        list(after_id(fetch))


def test_after_id_hands_on_every_other_failure_in_mid_list():
    def fail(_: Server) -> None:
        raise ServerError("HTTP 500")

    with pytest.raises(ServerError):
        list(after_id(Server(30, before=on(2, fail)).after))


def test_after_id_skips_nothing_when_a_row_behind_it_is_deleted():
    """This is what an offset would get wrong."""
    server = Server(30, before=on(2, lambda server: server.ids.remove(server.ids[0])))
    everything = list(server.ids)
    assert ids_of(after_id(server.after)) == everything


def test_after_id_reads_rows_that_are_added_ahead_of_it():
    server = Server(20, before=on(2, lambda server: server.ids.append(5000)))
    assert ids_of(after_id(server.after))[-1] == 5000


def test_after_id_repeats_nothing_when_rows_are_added_behind_it():
    """An updated row jumps to the front: the caller reads the head again, the pass only has to end."""
    server = Server(30, before=on(2, lambda server: server.ids.insert(0, 5000)))
    everything = list(server.ids)
    assert ids_of(after_id(server.after)) == everything


def test_after_id_ends_when_the_row_it_stands_on_jumps_to_the_front():
    """It then meets rows that it knows: nothing new, so it stops instead of reading the list again."""

    server = Server(40, before=on(3, lambda server: server.ids.insert(0, server.ids.pop(19))))
    first_pages = server.ids[:20]
    assert ids_of(after_id(server.after)) == first_pages


@given(st.integers(0, 60), st.data())
def test_after_id_covers_a_list_that_stands_still(size, data):
    """Whatever the length of each page, as long as it brings anything."""
    server = Server(size, before=lambda number, server: setattr(server, "cap", data.draw(st.integers(1, 12))))
    assert ids_of(after_id(server.after)) == server.ids


# offset


@given(size=st.integers(0, 120), cap=st.integers(1, 30), concurrency=st.integers(1, 8), data=st.data())
def test_offset_covers_every_position_when_the_list_stands_still(pool, size, cap, concurrency, data):
    """With any cap of the server's, and with pages that are shorter still, in any place.

    The rest of a short page may come with rows of its neighbour: a merge takes a row twice without harm.
    """
    lengths = data.draw(st.lists(st.integers(1, cap), max_size=40))
    server = Server(
        size,
        cap=cap,
        before=lambda number, server: setattr(server, "cap", lengths[number - 1] if number <= len(lengths) else cap),
    )
    assert set(ids_of(by_offset(server.at, pool, concurrency=concurrency))) == set(server.ids)


@given(size=st.integers(0, 120), cap=st.integers(1, 30), concurrency=st.integers(1, 8))
def test_offset_reads_every_row_once_when_pages_are_as_long_as_the_first(pool, size, cap, concurrency):
    server = Server(size, cap=cap)
    assert sorted(ids_of(by_offset(server.at, pool, concurrency=concurrency))) == sorted(server.ids)


@given(size=st.integers(0, 60), lengths=st.lists(st.integers(1, 12), max_size=20))
def test_offset_covers_a_list_without_a_count_too(pool, size, lengths):
    server = Server(
        size,
        cap=12,
        counts=False,
        before=lambda number, server: setattr(server, "cap", lengths[number - 1] if number <= len(lengths) else 12),
    )
    assert ids_of(by_offset(server.at, pool, concurrency=4)) == server.ids


def test_offset_goes_by_the_rows_that_came(pool):
    """Hostaway gives at most 100 where 500 were asked for: steps of 500 would skip four fifths of the list."""
    server = Server(95, cap=10)
    ids_of(by_offset(server.at, pool, concurrency=8))
    assert sorted(server.requests) == list(range(0, 95, 10))


def test_offset_asks_again_for_the_rest_of_a_page_that_came_short(pool):
    server = Server(30, before=lambda number, server: setattr(server, "cap", 4 if number == 2 else 10))
    assert set(ids_of(by_offset(server.at, pool, concurrency=1))) == set(server.ids)
    assert 14 in server.requests


def test_offset_needs_one_request_for_a_list_of_one_page(pool):
    server = Server(10)
    assert ids_of(by_offset(server.at, pool, concurrency=8)) == server.ids
    assert server.requests == [0]


@pytest.mark.parametrize("counts", [True, False])
def test_offset_hands_on_an_empty_first_page(pool, counts):
    server = Server(0, counts=counts)
    assert list(by_offset(server.at, pool, concurrency=8)) == [Page([], 0 if counts else None)]
    assert server.requests == [0]


def test_offset_does_not_trust_an_empty_first_page_that_counts_rows(pool):
    """There is no size to step by: the pass ends, and is not complete."""
    asked: list[int] = []

    def fetch(offset: int) -> Page:
        asked.append(offset)
        return Page([], 50)

    assert [page.count for page in by_offset(fetch, pool, concurrency=8)] == [50]
    assert asked == [0]


def test_offset_without_a_count_goes_on_to_an_empty_page(pool):
    server = Server(20, counts=False)
    ids_of(by_offset(server.at, pool, concurrency=8))
    assert server.requests == [0, 10, 20]


def test_offset_ends_when_the_list_shrinks_meanwhile(pool):
    """Pages beyond the new end are empty: they are not asked for again and again."""
    server = Server(100, before=on(2, lambda server: server.ids.__delitem__(slice(35, None))))
    kept = server.ids[:35]
    assert set(ids_of(by_offset(server.at, pool, concurrency=1))) == set(kept)
    assert len(server.requests) <= 11


def test_offset_ends_when_the_list_grows_meanwhile(pool):
    """The count of the first page is the plan; the newer count tells the caller that rows are missing."""
    server = Server(30, before=on(2, lambda server: server.ids.extend(range(5000, 5010))))
    pages = list(by_offset(server.at, pool, concurrency=1))
    assert pages[-1].count == 40
    assert len(server.requests) == 3


def test_offset_hands_on_a_failure_of_any_page(pool):
    def fail(_: Server) -> None:
        raise ServerError("HTTP 500")

    with pytest.raises(ServerError):
        list(by_offset(Server(100, before=on(4, fail)).at, pool, concurrency=4))


def test_offset_asks_for_several_pages_at_a_time(pool):
    """All four must be under way at once for the barrier to open."""
    barrier = threading.Barrier(4, timeout=60)
    rows = [{"id": index} for index in range(50)]

    def fetch(offset: int) -> Page:
        if offset:
            barrier.wait()
        return Page(rows[offset : offset + 10], 50)

    assert sorted(ids_of(by_offset(fetch, pool, concurrency=4))) == list(range(50))


def test_offset_keeps_to_its_concurrency(pool):
    """Threads are shared: one list must not take them all."""
    lock, under_way, most = threading.Lock(), 0, 0
    busy = threading.Event()

    def fetch(offset: int) -> Page:
        nonlocal under_way, most
        if offset == 0:
            return Page([{"id": 0}], 40)
        with lock:
            under_way += 1
            most = max(most, under_way)
        busy.wait(0.002)
        with lock:
            under_way -= 1
        return Page([{"id": offset}], 40)

    ids_of(by_offset(fetch, pool, concurrency=3))
    assert most <= 3


def test_offset_leaves_no_request_behind_when_its_reader_stops():
    """A merge that fails must not leave a queue of requests that nobody wants."""
    with ThreadPoolExecutor(1) as single:
        gate = threading.Event()
        asked: list[int] = []

        def fetch(offset: int) -> Page:
            asked.append(offset)
            if offset >= 20:
                gate.wait(60)
            return Page([{"id": offset + index} for index in range(10)], 100)

        pages = by_offset(fetch, single, concurrency=5)
        next(pages), next(pages)
        pages.close()
        gate.set()
    assert len(asked) <= 3
