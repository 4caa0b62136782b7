"""What is odd in payloads is counted: unknown keys, and values that could not be read."""

from typing import Any

import pytest

from hostaway_pipeline.domain.entities import ENTITIES, LISTINGS, RESERVATIONS, Entity
from hostaway_pipeline.domain.findings import findings
from hostaway_pipeline.domain.known_keys import KNOWN_KEYS
from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.world.world import World


def found(entity: Entity, *payloads: dict[str, Any]) -> dict[tuple[str, str], int]:
    rows = [row for number, payload in enumerate(payloads) if (row := entity.row({"id": number, **payload}))]
    return dict(findings(entity, rows))


@pytest.mark.parametrize("name", ENTITIES)
def test_the_sandboxs_objects_have_no_findings(name):
    account = World(SandboxConfig(accounts=(SandboxAccount.parse("59808:12:200"),))).account(59808)
    rows = [row for payload in account.truth(name) if (row := ENTITIES[name].row(payload)) is not None]
    assert rows
    assert findings(ENTITIES[name], rows) == {}


@pytest.mark.parametrize("name", ENTITIES)
def test_every_key_that_a_column_is_read_from_is_known(name):
    assert {key for key, _ in ENTITIES[name].columns.values()} | ENTITIES[name].optional <= KNOWN_KEYS[name]


def test_rows_are_counted_by_key():
    payloads = [{"petFee": 1}, {"petFee": None, "adults": "two"}, {"adults": 2}]
    assert found(RESERVATIONS, *payloads) == {("petFee", "unknown"): 2, ("adults", "unreadable"): 1}


@pytest.mark.parametrize(
    ("payload", "keys"),
    [
        ({"arrivalDate": "0000-00-00"}, set()),
        ({"cancellationDate": "0000-00-00 00:00:00", "insertedOn": "0000-00-00 00:00:00"}, set()),
        ({"arrivalDate": "2026-02-30"}, {"arrivalDate"}),
        ({"totalPrice": "", "adults": None, "guestName": "  "}, set()),
        ({"totalPrice": "a lot"}, {"totalPrice"}),
        ({"totalPrice": {"amount": 5}}, {"totalPrice"}),
        ({"isPaid": 2}, {"isPaid"}),
        ({"isPaid": "true"}, {"isPaid"}),
        ({"numberOfGuests": 2.5}, {"numberOfGuests"}),
        ({"guestName": True}, {"guestName"}),
        ({"reservationUnit": "two"}, {"reservationUnit"}),
        ({"reservationUnit": []}, set()),
        ({"reservationUnit": {}}, set()),
    ],
)
def test_a_value_is_unreadable_only_if_it_says_something(payload, keys):
    assert found(RESERVATIONS, payload) == {(key, "unreadable"): 1 for key in keys}


def test_a_key_is_readable_if_one_of_its_columns_is():
    assert found(LISTINGS, {"listingUnits": [{"id": 1, "listingMapIdUnit": None}]}) == {}
    assert found(LISTINGS, {"listingUnits": "two"}) == {("listingUnits", "unreadable"): 1}


@pytest.mark.parametrize("key", ["ann@example.com", "4930123", "", "a b", "x" * 61, "naïve"])
def test_a_key_that_may_be_a_value_is_not_named(key):
    """Findings are shown to analysts."""
    assert found(RESERVATIONS, {key: 1}) == {("(other)", "unknown"): 1}


def test_keys_that_are_not_named_are_counted_together():
    assert found(RESERVATIONS, {"a b": 1, "c d": 1}, {"a b": 1}) == {("(other)", "unknown"): 3}


def test_any_number_of_keys_makes_few_findings():
    assert len(found(RESERVATIONS, {f"key{number}": 1 for number in range(5000)})) <= 101
