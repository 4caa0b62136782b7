"""Faults of lists and single answers: lowered page caps, and answers that are wrong in some way."""

import pytest

LISTS = ("/listings", "/reservations", "/conversations")


def get_odd(api, oddity, path="/listings"):
    api.server.faults.odd_answers = {f"/v1{path}": oddity}
    return api.get(path)


def test_page_caps_can_be_lowered(fresh):
    fresh.server.faults.page_cap = 2
    assert [len(fresh.result(path, limit=500)) for path in LISTS] == [2, 2, 2]


def test_the_page_cap_of_messages_can_be_lowered(fresh):
    thread = max(fresh.account.conversations.values(), key=lambda thread: len(thread.visible()))
    fresh.server.faults.page_cap = 1
    assert len(fresh.result(f"/conversations/{thread.id}/messages", limit=100)) == 1


def test_lowering_the_page_cap_in_mid_list_hides_no_row(fresh):
    """Advancing by the rows received continues the list; advancing by the limit would skip rows."""
    rows = fresh.result("/reservations", limit=20)
    fresh.control("/faults", {"page_cap": 7})
    while page := fresh.get("/reservations", limit=20, offset=len(rows)).json()["result"]:
        assert len(page) <= 7
        rows += page
    assert {row["id"] for row in rows} == set(fresh.account.reservations)


def test_a_page_cap_does_not_raise_a_cap(fresh):
    fresh.server.faults.page_cap = 5000
    assert fresh.get("/conversations", limit=5000).json()["limit"] == 100


def test_an_empty_answer_has_a_count_of_0(fresh):
    body = get_odd(fresh, "empty").json()
    assert (body["status"], body["result"], body["count"]) == ("success", [], 0)


def test_a_list_can_be_empty_after_its_first_page(fresh):
    fresh.server.faults.odd_answers = {"/v1/reservations": "empty-after-first"}
    first = fresh.get("/reservations", limit=5).json()
    second = fresh.get("/reservations", limit=5, offset=5).json()
    assert (len(first["result"]), first["count"]) == (5, 40)
    assert (second["result"], second["count"]) == ([], 0)


def test_a_result_can_be_null(fresh):
    assert get_odd(fresh, "null").json()["result"] is None


@pytest.mark.parametrize(("oddity", "status"), [("html", 200), ("html-404", 404)])
def test_an_answer_can_be_a_gateways_html(fresh, oddity, status):
    answer = get_odd(fresh, oddity)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (status, "text/html")


def test_a_404_can_be_hostaways_own(fresh):
    answer = get_odd(fresh, "404")
    assert (answer.status_code, answer.json()["status"]) == (404, "fail")


@pytest.mark.parametrize(
    ("oddity", "count"), [("text-count", "3"), ("no-count", None), ("one-more", 4), ("one-less", 2)]
)
def test_a_count_can_be_text_or_missing_or_off_by_one(fresh, oddity, count):
    body = get_odd(fresh, oddity).json()
    assert (body.get("count"), len(body["result"])) == (count, 3)


def test_an_odd_answer_applies_to_its_path_only(fresh):
    first, second = list(fresh.account.reservations)[:2]
    get_odd(fresh, "404", f"/reservations/{first}")
    assert fresh.statuses(1, f"/reservations/{second}") == [200]
    assert fresh.statuses(1, "/listings") == [200]


def test_a_template_applies_to_all_its_paths(fresh):
    fresh.server.faults.odd_answers = {"/v1/reservations/{id}": "404"}
    paths = [f"/reservations/{reservation_id}" for reservation_id in list(fresh.account.reservations)[:3]]
    assert [fresh.get(path).status_code for path in paths] == [404] * 3


def test_the_number_of_odd_answers_can_be_limited(fresh):
    fresh.server.faults.update(odd_answers={"/v1/listings": "404"}, odd_answers_left=2)
    assert fresh.statuses(3) == [404, 404, 200]
