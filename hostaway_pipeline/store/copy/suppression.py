"""Takes erased guests out of rows that are about to be merged."""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from hostaway_pipeline.domain.entities import LISTINGS, Entity, Row
from hostaway_pipeline.domain.erasure import erased_row, identities, own_identities
from hostaway_pipeline.store.suppression import Suppression


def without_erased_guests(
    cursor: psycopg.Cursor[Any],
    entity: Entity,
    rows: Iterable[Row],
    account_id: int,
    suppression: Suppression,
    *,
    dry_run: bool,
) -> tuple[Sequence[Row], set[int]]:
    """The rows, those of erased guests without their guest, and the ids of these.

    A reservation of an erased guest, known by an address for example, is added to the list by its id, too: messages
    name nothing else.
    """
    rows = list(rows)
    erased = None if entity is LISTINGS else suppression.erased_of(cursor, account_id)
    if erased is None:
        return rows, set()
    theirs = {row.id for row in rows if erased(identities(entity.name, row.content))}
    own = [identity for row_id in sorted(theirs) for identity in own_identities(entity.name, row_id)]
    if (unknown := [identity for identity in own if not erased.has(identity)]) and not dry_run:
        suppression.extend(cursor, account_id, unknown)
    return [erased_row(entity, row) if row.id in theirs else row for row in rows], theirs
