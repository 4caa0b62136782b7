"""What a reservation tells of who its guest is: identifiers by which the same guest is recognised again."""

import re
from typing import NamedTuple

from hostaway_pipeline.domain.entities import RESERVATIONS, Row

_PLACES = tuple(
    tuple(RESERVATIONS.columns).index(name)
    for name in ("channel_id", "guest_external_id", "guest_email", "guest_phone")
)
_NOT_DIGITS = re.compile(r"[^0-9]")
_MIN_PHONE_LENGTH = 7
# Longer texts identify nobody, and an index could not hold them.
_MAX_LENGTH = 300


class Identifier(NamedTuple):
    kind: str
    """`channel`, `email` or `phone`."""
    value: str


def identifiers(
    channel_id: int | None, external_id: str | None, email: str | None, phone: str | None
) -> list[Identifier]:
    """The guest's identifiers, the most reliable first; none where the reservation names nobody.

    A channel's own id of the guest, the e-mail address in small letters, and the digits of the phone number.
    """
    found = []
    if channel_id is not None and external_id and (trimmed := external_id.strip()):
        found.append(Identifier("channel", f"{channel_id}:{trimmed}"))
    if email and "@" in email:
        found.append(Identifier("email", email.strip().lower()))
    if phone and len(digits := _NOT_DIGITS.sub("", phone)) >= _MIN_PHONE_LENGTH:
        found.append(Identifier("phone", digits))
    return [identifier for identifier in found if len(identifier.value) <= _MAX_LENGTH]


def identifiers_of(reservation: Row) -> list[Identifier]:
    return identifiers(*(reservation.values[place] for place in _PLACES))
