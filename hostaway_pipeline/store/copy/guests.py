"""Finds out which guest made a reservation: guests have a random id, which outlives every rebuild of the models."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg

from hostaway_pipeline.domain.guests import Identifier
from hostaway_pipeline.store.database import query

Known = Mapping[Identifier, UUID]


def resolve_guests(
    cursor: psycopg.Cursor[Any], account_id: int, reservations: Mapping[int, Sequence[Identifier]]
) -> dict[int, UUID]:
    """The guest of each reservation that has identifiers, by its id; adds the identifiers that were unknown.

    The first known identifier decides; without one the guest is new.
    """
    wanted = {identifier for own in reservations.values() for identifier in own}
    if not wanted:
        return {}
    known = _look_up(cursor, account_id, wanted)
    guests, added = _assign(reservations, known)
    if len(_add(cursor, account_id, added)) < len(added):  # another merge was faster: what it added counts
        guests, _ = _assign(reservations, _look_up(cursor, account_id, wanted))
    return guests


def _assign(
    reservations: Mapping[int, Sequence[Identifier]], known: Known
) -> tuple[dict[int, UUID], dict[Identifier, UUID]]:
    """The guest of each reservation, and the identifiers that were not known, with theirs."""
    guests, added = dict[int, UUID](), dict[Identifier, UUID]()
    for reservation_id, own in reservations.items():
        if not own:
            continue
        found = (known.get(identifier) or added.get(identifier) for identifier in own)
        guest_id = guests[reservation_id] = next(filter(None, found), None) or uuid4()
        added |= {identifier: guest_id for identifier in own if identifier not in known and identifier not in added}
    return guests, added


def _look_up(cursor: psycopg.Cursor[Any], account_id: int, wanted: Collection[Identifier]) -> dict[Identifier, UUID]:
    found = cursor.execute(query("known_guests"), {"account_id": account_id, **_columns(wanted)})
    return {Identifier(kind, value): guest_id for kind, value, guest_id in found}


def _add(cursor: psycopg.Cursor[Any], account_id: int, added: Known) -> list[Any]:
    if not added:
        return []
    values = {"account_id": account_id, **_columns(added), "guest_ids": list(added.values())}
    return cursor.execute(query("add_guests"), values).fetchall()


def _columns(wanted: Iterable[Identifier]) -> dict[str, list[str]]:
    kinds, values = zip(*wanted, strict=True)
    return {"kinds": list(kinds), "identifiers": list(values)}
