"""Gap recovery: deliveries that Hostaway gave up on are found in its own log, and their objects are read by id.

The sweeps of a reconcile find what changed in the lists; this finds, by name, what was to be told and was not.
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
from hostaway_pipeline.store.copy.push_writer import ChangeSet
from hostaway_pipeline.sync.by_id import read_by_id

log = structlog.get_logger(__name__)
# What is older than this many deliveries, the sweeps have to find.
_MOST_LOGS = 2_000
# One call each. The sweeps of the same reconcile have just read the lists: of a long silence the newest are enough.
_MOST_READS = 200
# So many objects in a row that are not answered, and it is not theirs: the API is away.
_MOST_FAILURES = 3
_OBJECTS: Mapping[str, Entity] = {"reservation": RESERVATIONS, "conversationMessage": MESSAGES}


def recover_undelivered(services: Services, account: Account, client: HostawayClient) -> dict[str, Counts]:
    """Read what failed to be delivered since the last look. Raises an ApiError: then the next begins here again.

    The first look only marks the place: until then every object was read completely.
    """
    seen = services.webhooks.state(account.account_id).log_id
    logs = list(_since(client, seen))
    newest_id = max((log_id for log_id, _ in logs), default=0)
    if seen is None or not logs:
        services.webhooks.advance_log_id(account.account_id, newest_id)
        return {}
    tables = services.push_writer(account)
    changes = ChangeSet(asked_at=services.database.now())
    _read_all(services, client, changes, islice(_undelivered(logs), _MOST_READS))
    counts = tables.apply(changes)
    for reason in changes.held_back.values():  # the sweeps will find it missing, and show it for as long as it is
        log.warning("deletion held back", account_id=account.account_id, reason=reason)
    services.webhooks.advance_log_id(account.account_id, newest_id)
    return counts


def _since(client: HostawayClient, seen: int | None) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Log entries that are new since the last look, newest first, each with its id.

    Raises GarbledBody when they end before there are as many as Hostaway counted: none may be passed over.
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
        if seen is None or number >= _MOST_LOGS:
            return
    if number < count:
        raise GarbledBody(f"GET {WEBHOOK_LOGS.path}: {number} entries but a count of {count}")


def _undelivered(logs: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[tuple[str, int]]:
    """Objects whose newest delivery was not answered with 2xx, newest first; one that arrived in the end is none."""
    newest: dict[tuple[str, int], bool] = {}
    for _, told in sorted(logs, key=lambda entry: entry[0], reverse=True):
        kind, object_id = told.get("object"), as_int(told.get("objectId"))
        if isinstance(kind, str) and kind in _OBJECTS and object_id is not None:
            status = as_int(told.get("responseStatus")) or 0
            newest.setdefault((kind, object_id), 200 <= status < 300)
    return (key for key, is_delivered in newest.items() if not is_delivered)


def _read_all(
    services: Services, client: HostawayClient, changes: ChangeSet, objects: Iterable[tuple[str, int]]
) -> None:
    """One that always fails is passed over, as it must not be stopped at for ever."""
    failures = 0
    for kind, object_id in objects:
        try:
            _read(services, client, changes, _OBJECTS[kind], object_id)
        except (GarbledBody, ServerError) as error:
            failures += 1
            if failures >= _MOST_FAILURES:
                raise
            log.warning("passed over", account_id=client.account_id, error=str(error))
        else:
            failures = 0


def _read(services: Services, client: HostawayClient, changes: ChangeSet, entity: Entity, object_id: int) -> None:
    conversation_id = None
    if entity is MESSAGES:
        conversation_id = services.lookup.conversation_of_message(client.account_id, object_id)
        if conversation_id is None:
            return  # the conversation's moved marker makes the reconcile read it
    found = read_by_id(client, object_path(entity, object_id, conversation_id))
    if isinstance(found, NotFound):
        changes.gone[entity.name].add(object_id)
    elif isinstance(found, ApiObject) and (row := entity.row(found.payload, found.read_at)) is not None:
        changes.reads[entity.name].append(row)
    # What Hostaway does not show, a locked reservation say, is no reason to stop at it for ever.
