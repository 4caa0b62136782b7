"""By which identifiers a guest is recognised, and in which order."""

import pytest

from hostaway_pipeline.domain.entities import RESERVATIONS
from hostaway_pipeline.domain.guests import identifiers, identifiers_of


@pytest.mark.parametrize(
    ("channel_id", "external_id", "email", "phone", "expected"),
    [
        (None, None, None, None, []),
        (2018, "77", None, None, [("channel", "2018:77")]),
        (None, "77", None, None, []),  # an id means nothing without its channel
        (2018, "  ", "", "", []),
        (None, None, " Ann@Example.COM ", None, [("email", "ann@example.com")]),
        (None, None, "none", None, []),
        (None, None, None, "+49 (30) 123-4567", [("phone", "49301234567")]),
        (None, None, None, "123456", []),
        (None, None, None, "1234567", [("phone", "1234567")]),
        (None, None, None, "unknown", []),
        (None, None, "a" * 300 + "@x", "1" * 301, []),
        (None, None, "a" * 298 + "@x", "1" * 300, [("email", "a" * 298 + "@x"), ("phone", "1" * 300)]),
        (
            2005,
            " g1 ",
            "a@b",
            "12 34 56 78",
            [("channel", "2005:g1"), ("email", "a@b"), ("phone", "12345678")],
        ),
    ],
)
def test_identifiers(channel_id, external_id, email, phone, expected):
    assert identifiers(channel_id, external_id, email, phone) == expected


def test_they_are_read_from_a_reservations_columns():
    payload = {"id": 1, "channelId": "2018", "guestExternalAccountId": 5, "guestEmail": "A@b", "phone": "030 1234567"}
    row = RESERVATIONS.row(payload)
    assert row is not None
    assert identifiers_of(row) == [("channel", "2018:5"), ("email", "a@b"), ("phone", "0301234567")]
