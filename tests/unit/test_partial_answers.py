"""Answers that lack keys: what they say of the content, and what of the stored one is kept."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from hostaway_pipeline.domain.entities import RESERVATIONS, Row
from hostaway_pipeline.domain.payloads import content_hash, is_same_content, lacks_keys

FINANCE = frozenset({"financeField"})
BARE = {"id": 1, "status": "new", "updatedOn": "2026-06-02 10:00:00"}
WHOLE = {**BARE, "financeField": [{"name": "baseRate", "total": 90.5}]}


def hashed(payload: dict[str, Any]) -> bytes:
    return content_hash(payload, FINANCE)


def test_an_optional_key_is_hashed_apart() -> None:
    assert (len(hashed(BARE)), len(hashed(WHOLE))) == (16, 24)
    assert hashed(WHOLE).startswith(hashed(BARE))
    assert hashed({**WHOLE, "financeField": []}) != hashed(WHOLE)
    assert hashed({**WHOLE, "financeField": []})[:16] == hashed(WHOLE)[:16]


def test_without_optional_keys_every_key_is_content() -> None:
    assert len(content_hash(WHOLE)) == 16
    assert content_hash(WHOLE) != content_hash(BARE)


def test_keys_and_values_are_hashed_apart() -> None:
    renamed, changed = {"id": 1, "state": "new"}, {"id": 1, "status": "old"}
    original = {"id": 1, "status": "new"}
    assert hashed(renamed)[:4] != hashed(original)[:4]
    assert hashed(changed)[:4] == hashed(original)[:4]
    assert hashed(changed)[4:] != hashed(original)[4:]
    assert hashed({"status": "new", "id": 1}) == hashed(original)


@pytest.mark.parametrize(
    ("incoming", "stored", "is_same", "lacks"),
    [
        (BARE, BARE, True, False),
        (WHOLE, WHOLE, True, False),
        (BARE, WHOLE, True, True),  # it says nothing of the optional key
        (WHOLE, BARE, False, False),  # it brings one
        ({**WHOLE, "financeField": []}, WHOLE, False, False),
        ({**BARE, "status": "old"}, WHOLE, False, True),
        ({"id": 1, "status": "new"}, {"id": 1, "status": "new", "nights": 2}, False, True),
        ({"id": 1, "status": "new", "nights": 2}, {"id": 1, "status": "new"}, False, True),
    ],
)
def test_what_two_hashes_tell(incoming: dict[str, Any], stored: dict[str, Any], is_same: bool, lacks: bool) -> None:
    assert is_same_content(hashed(incoming), hashed(stored)) is is_same
    assert lacks_keys(hashed(incoming), hashed(stored)) is lacks


# What is kept

READ_AT = datetime(2026, 6, 5, 12, tzinfo=UTC)


def a_row(**payload: Any) -> Row:
    made = RESERVATIONS.row({"id": 1, **payload}, READ_AT)
    assert made is not None
    return made


def test_a_row_that_lacks_nothing_stays_as_it_is() -> None:
    row = a_row(status="new", updatedOn="2026-06-02 10:00:00")
    assert RESERVATIONS.complete(row, {"id": 1, "status": "old"}) is row
    assert RESERVATIONS.complete(row, {}) is row


def test_keys_that_it_lacks_are_those_that_are_stored() -> None:
    row = a_row(status="new", updatedOn="2026-06-02 10:00:00")
    whole = RESERVATIONS.complete(row, {"status": "old", "totalPrice": 90.5, "financeField": [1]})
    assert orjson.loads(whole.payload) == {
        "id": 1, "status": "new", "updatedOn": "2026-06-02 10:00:00", "totalPrice": 90.5, "financeField": [1],
    }  # fmt: skip
    values = dict(zip(RESERVATIONS.columns, whole.values, strict=True))
    assert (values["status"], float(values["total_price"])) == ("new", 90.5)
    assert whole.content_hash == a_row(**orjson.loads(whole.payload)).content_hash
    assert whole.keys == {"id", "status", "updatedOn", "totalPrice", "financeField"}
    assert whole.id == 1


@pytest.mark.parametrize("said", ["2026-06-02 10:00:00", "2099-01-01 00:00:00", None])
def test_its_times_are_its_own(said: str | None) -> None:
    """A stored time must not vouch for an answer that has none."""
    row = a_row(status="new", **({} if said is None else {"updatedOn": said}))
    whole = RESERVATIONS.complete(row, {"totalPrice": 1, "updatedOn": "2026-06-04 00:00:00", "latestActivityOn": "x"})
    assert (whole.source_updated_at, whole.read_at, whole.is_ahead) == (row.source_updated_at, READ_AT, row.is_ahead)
    assert whole.is_ahead is (said == "2099-01-01 00:00:00")
    assert "latestActivityOn" not in orjson.loads(whole.payload)
