"""The orders of Hostaway's reservation list: each `sortOrder`, `afterId` in it, and a server that ignores them."""

from collections.abc import Callable
from typing import Any

import pytest

from hostaway_pipeline.sandbox import SandboxConfig, SandboxServer

Key = Callable[[Any, dict[str, Any]], str]


def newest(api: Any, row: dict[str, Any], marker: str) -> str:
    """The newest message of all conversations of a reservation; reservations without one sort as the oldest."""
    return max((getattr(thread, marker) or "" for thread in api.account.threads_of(row["id"])), default="")


KEYS: dict[str, Key] = {
    "arrivalDate": lambda api, row: row["arrivalDate"],
    "lastConversationMessageSent": lambda api, row: newest(api, row, "sent_on"),
    "lastConversationMessageReceived": lambda api, row: newest(api, row, "received_on"),
    "latestActivity": lambda api, row: row["latestActivityOn"],
}
ORDERS = [order for name in KEYS for order in (name, f"{name}Desc")]


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize("order", ORDERS)
def test_reservations_are_sorted_by_the_requested_key_then_by_id(api: Any, order: str) -> None:
    rows = api.sweep("/reservations", limit=500, sortOrder=order)
    places = [(KEYS[order.removesuffix("Desc")](api, row), row["id"]) for row in rows]
    assert len(places) == 787
    assert places == sorted(places, reverse=order.endswith("Desc"))


@pytest.mark.parametrize("order", ORDERS)
def test_after_id_is_a_position_in_the_requested_order(api: Any, order: str) -> None:
    first = ids(api.result("/reservations", limit=20, sortOrder=order))
    assert ids(api.result("/reservations", limit=10, afterId=first[9], sortOrder=order)) == first[10:]


def test_nothing_follows_a_row_that_does_not_exist(api: Any) -> None:
    assert api.result("/reservations", afterId=1, sortOrder="latestActivity") == []


def test_a_message_moves_its_reservation_to_the_front_of_one_order_only(start: Any) -> None:
    api = start()
    thread = next(thread for thread in api.account.conversations.values() if thread.reservation_id)
    for is_incoming, order in ((True, "lastConversationMessageReceived"), (False, "lastConversationMessageSent")):
        before = {name: ids(api.result("/reservations", sortOrder=f"{name}Desc")) for name in KEYS}
        api.account.add_message(thread.id, "hello", is_incoming)
        after = {name: ids(api.result("/reservations", sortOrder=f"{name}Desc")) for name in KEYS}
        assert after[order][0] == thread.reservation_id
        assert [name for name in KEYS if name != order and after[name] != before[name]] == []


def test_an_unknown_order_is_ignored(api: Any) -> None:
    assert api.get("/reservations", sortOrder="messageSentOn").content == api.get("/reservations").content


@pytest.mark.parametrize("order", [*ORDERS, "updatedOn"])
def test_a_server_that_ignores_orders_lists_the_newest_change_first(start: Any, order: str) -> None:
    api = start()
    api.control("/faults", {"ignore_orders": True})
    plain = ids(api.result("/reservations", limit=10))
    assert ids(api.result("/reservations", limit=10, sortOrder=order)) == plain
    assert ids(api.result("/reservations", limit=5, sortOrder=order, afterId=plain[4])) == plain[5:]


def test_a_sandbox_can_ignore_orders_from_its_start() -> None:
    assert SandboxServer(SandboxConfig(ignore_orders=True)).faults.ignore_orders
