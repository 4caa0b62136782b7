"""Recovers undelivered events: finds deliveries that Hostaway gave up on in its log, and reads their objects by id.

The sweeps of a reconcile find changes in the lists; this finds the objects whose webhook never arrived.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import structlog

from hostaway_pipeline.client.answers import ApiObject
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import WEBHOOK_LOGS, object_path
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import MESSAGES, RESERVATIONS, Entity
from hostaway_pipeline.domain.values import as_int
from hostaway_pipeline.errors import GarbledBody, NotFound, ServerError
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.accounts import Account
from hostaway_pipeline.store.copy.lookup import Lookup
from hostaway_pipeline.store.copy.push_writer import ChangeSet
from hostaway_pipeline.sync.by_id import read_by_id

log = structlog.get_logger(__name__)
# Log entries read at most; the sweeps find what is older.
_MAX_LOGS = 2_000
# Objects read at most, one call each, newest first: the sweeps of the same reconcile have just read the lists.
_MAX_READS = 200
# After this many objects in a row without an answer, the API is taken to be down.
_MAX_FAILURES = 3
_OBJECTS: Mapping[str, Entity] = {"reservation": RESERVATIONS, "conversationMessage": MESSAGES}


def recover_undelivered(services: Services, account: Account, client: HostawayClient) -> dict[str, Counts]:
    """Read what failed to be delivered since the last look. Raises an ApiError: the next look then starts here again.

    The first look only stores the log position: the sweeps have read every object up to then.
    """
    seen = services.webhooks.state(account.account_id).log_id
    logs = list(_since(client, seen))
    newest_id = max((log_id for log_id, _ in logs), default=0)
    if seen is None or not logs:
        services.webhooks.advance_log_id(account.account_id, newest_id)
        return {}
    writer = services.push_writer(account)
    changes = ChangeSet(asked_at=services.database.now())
    _read_all(services.lookup, client, changes, islice(_undelivered(logs), _MAX_READS))
    counts = writer.apply(changes)
    for reason in changes.held_back.values():  # the sweeps will find it missing and report it
        log.warning("deletion held back", account_id=account.account_id, reason=reason)
    services.webhooks.advance_log_id(account.account_id, newest_id)
    return counts


def _since(client: HostawayClient, seen: int | None) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Log entries since the last look, newest first, each with its id.

    Raises GarbledBody when there are fewer than Hostaway counted: none may be skipped.
    """
    number, count = 0, 0
    for page in client.pages(WEBHOOK_LOGS):
        count = max(count, page.count or 0)
        for row in page.rows:
            log_id = as_int(row.get("id"))
            if log_id is None:
                continue
            if seen is not None and log_id <= seen:
                return
            yield log_id, row
        number += len(page.rows)
        if seen is None or number >= _MAX_LOGS:
            return
    if number < count:
        raise GarbledBody(f"GET {WEBHOOK_LOGS.path}: {number} entries but a count of {count}")


def _undelivered(logs: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[tuple[str, int]]:
    """Objects whose newest delivery was not answered with 2xx, newest first."""
    newest: dict[tuple[str, int], bool] = {}
    for _, delivery in sorted(logs, key=lambda entry: entry[0], reverse=True):
        kind, object_id = delivery.get("object"), as_int(delivery.get("objectId"))
        if isinstance(kind, str) and kind in _OBJECTS and object_id is not None:
            status = as_int(delivery.get("responseStatus")) or 0
            newest.setdefault((kind, object_id), 200 <= status < 300)
    return (key for key, is_delivered in newest.items() if not is_delivered)


def _read_all(lookup: Lookup, client: HostawayClient, changes: ChangeSet, objects: Iterable[tuple[str, int]]) -> None:
    """An object that fails is skipped: one that always fails must not stop the others for ever."""
    failures = 0
    for kind, object_id in objects:
        try:
            _read(lookup, client, changes, _OBJECTS[kind], object_id)
        except (GarbledBody, ServerError) as error:
            failures += 1
            if failures >= _MAX_FAILURES:
                raise
            log.warning("object skipped", account_id=client.account_id, error=str(error))
        else:
            failures = 0


def _read(lookup: Lookup, client: HostawayClient, changes: ChangeSet, entity: Entity, object_id: int) -> None:
    conversation_id = None
    if entity is MESSAGES:
        conversation_id = lookup.conversation_of_message(client.account_id, object_id)
        if conversation_id is None:
            return  # the conversation's moved marker makes the reconcile read it
    answer = read_by_id(client, object_path(entity, object_id, conversation_id))
    if isinstance(answer, NotFound):
        changes.gone[entity.name].add(object_id)
    elif isinstance(answer, ApiObject) and (row := entity.row(answer.payload, answer.read_at)) is not None:
        changes.reads[entity.name].append(row)
    # Any other refusal, such as of a locked reservation, is skipped: it must not block the log position for ever.
