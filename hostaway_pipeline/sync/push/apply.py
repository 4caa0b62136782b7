"""Applies claimed events to the tables, account by account. What only Hostaway can decide goes to confirm.py.

An event that cannot be applied is tried alone, retried later, and in the end marked as failed; the others go on.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import CONVERSATIONS, LISTINGS, MESSAGES, Entity
from hostaway_pipeline.domain.redaction import scrub
from hostaway_pipeline.domain.verdicts import Verdict, decide
from hostaway_pipeline.errors import AccountError, DatabaseUnavailable, PipelineError, class_and_place
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.copy.push_writer import ChangeSet, PushWriter
from hostaway_pipeline.store.inbox import ClaimedEvent, EventOutcome
from hostaway_pipeline.sync.push.handlers import HANDLERS, Intent


@dataclass(frozen=True, slots=True)
class Confirmation:
    """An object to read by id; or a message, decided by its `verdict`, that waits for its conversation.

    Its events end as applied, the late ones as stale. `conversation_id` is set for messages only.
    """

    entity: Entity
    object_id: int
    event_ids: tuple[int, ...] = ()
    late_ids: tuple[int, ...] = ()
    conversation_id: int | None = None
    verdict: Verdict | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.entity.name, self.object_id

    @property
    def parent_key(self) -> tuple[str, int]:
        """The key of a message's conversation."""
        return CONVERSATIONS.name, self.conversation_id or 0

    @property
    def needs_read(self) -> bool:
        return self.verdict is None or self.verdict.row is None

    def joined(self, later: "Confirmation") -> "Confirmation":
        """One read for the events of both. It drops the verdict, which did not know of the later events."""
        events, late = self.event_ids + later.event_ids, self.late_ids + later.late_ids
        return Confirmation(self.entity, self.object_id, events, late, later.conversation_id or self.conversation_id)

    @property
    def all_ids(self) -> tuple[int, ...]:
        return self.event_ids + self.late_ids


@dataclass(slots=True)
class Applied:
    """What was done for one account: counts and ids of ended events per entity, and the error that kept others open.

    `unreadable_listings`: those that Hostaway refused to show.
    """

    account_id: int
    counts: dict[str, Counts] = field(default_factory=dict)
    events: dict[str, list[int]] = field(default_factory=dict)
    request_ids: list[str] = field(default_factory=list)
    confirmations: list[Confirmation] = field(default_factory=list)
    unreadable_listings: set[int] = field(default_factory=set)
    api_calls: int = 0
    error: PipelineError | None = None

    def joined(self, later: "Applied") -> "Applied":
        whole = Applied(self.account_id, dict(self.counts), dict(self.events))
        for name, counts in later.counts.items():
            whole.counts[name] = whole.counts.get(name, Counts()) + counts
        for name, ids in later.events.items():
            whole.events[name] = [*whole.events.get(name, ()), *ids]
        whole.request_ids = self.request_ids + later.request_ids
        whole.confirmations = self.confirmations + later.confirmations
        whole.unreadable_listings = self.unreadable_listings | later.unreadable_listings
        whole.api_calls = self.api_calls + later.api_calls
        whole.error = later.error or self.error
        return whole


def apply_events(services: Services, events: Sequence[ClaimedEvent]) -> Iterator[Applied]:
    """Merge what payloads decide by themselves. Raises DatabaseUnavailable; the events then stay claimed."""
    for account_id, own in groupby(sorted(events, key=lambda e: (e.account_id, e.id)), key=lambda e: e.account_id):
        yield _apply_account(services, account_id, list(own))


def _apply_account(services: Services, account_id: int, events: list[ClaimedEvent]) -> Applied:
    try:
        account = services.accounts.get(account_id)
    except AccountError as error:
        services.inbox.record_outcomes([EventOutcome(event.id, "ignored", str(error)) for event in events])
        return Applied(account_id)
    try:
        return _apply(services.push_writer(account), events)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 (whatever one payload can break must not stop the others)
        if len(events) == 1:
            failed = EventOutcome(events[0].id, "pending", _describe(error), is_attempt=True)
            services.inbox.record_outcomes([failed])
            return Applied(account_id)
        whole = Applied(account_id)
        for event in events:
            whole = whole.joined(_apply_account(services, account_id, [event]))
        return whole


def _describe(error: Exception) -> str:
    return (
        f"{type(error).__name__}: {scrub(str(error))[:300]}"
        if isinstance(error, PipelineError)
        else class_and_place(error)
    )


def _apply(writer: PushWriter, events: list[ClaimedEvent]) -> Applied:
    applied, changes = Applied(writer.account_id), ChangeSet()
    intents = [HANDLERS[event.event](event) for event in events]
    changes.outcomes += [EventOutcome(i.event.id, "ignored", i.ignore_reason) for i in intents if i.ignore_reason]
    for entity, own in _by_entity(intent for intent in intents if not intent.ignore_reason):
        _decide_entity(writer, entity, own, changes, applied)
    changes.held = [event_id for confirmation in applied.confirmations for event_id in confirmation.all_ids]
    applied.counts = writer.apply(changes)
    applied.request_ids = [event.request_id for event in events if event.request_id]
    return applied


def _by_entity(intents: Iterable[Intent]) -> list[tuple[Entity, list[Intent]]]:
    grouped: dict[str, list[Intent]] = defaultdict(list)
    for intent in intents:
        grouped[intent.entity.name].append(intent)
    return [(own[0].entity, own) for own in grouped.values()]


def _decide_entity(
    writer: PushWriter, entity: Entity, intents: list[Intent], changes: ChangeSet, applied: Applied
) -> None:
    by_object: dict[int, list[Intent]] = defaultdict(list)
    for intent in intents:
        by_object[intent.event.object_id].append(intent)
    known = writer.known(entity, by_object)
    orphaned = _without_conversation(writer, intents)
    for object_id, own in by_object.items():
        verdict = decide([intent.candidate for intent in own], known.get(object_id), writer.trust)
        conversation_id = own[-1].conversation_id
        changes.outcomes += [EventOutcome(event_id, "stale") for event_id in verdict.stale]
        if verdict.doubted_at is not None:
            changes.doubted[entity.name][object_id] = verdict.doubted_at
        applied.events.setdefault(entity.name, []).extend(verdict.stale)
        if verdict.must_be_read or (verdict.row is not None and conversation_id in orphaned):
            applied.confirmations.append(
                Confirmation(entity, object_id, verdict.applied, verdict.late, conversation_id, verdict)
            )
        elif verdict.row is not None:
            changes.rows[entity.name].append(verdict.row)
            changes.outcomes += [EventOutcome(event_id, "applied") for event_id in verdict.applied]
            applied.events.setdefault(entity.name, []).extend(verdict.applied)
    applied.confirmations += [Confirmation(LISTINGS, listing_id) for listing_id in _unknown_listings(writer, intents)]


def _without_conversation(writer: PushWriter, intents: list[Intent]) -> set[int | None]:
    """Conversations that the messages name and that are not stored or are deleted."""
    if intents[0].entity is not MESSAGES:
        return set()
    named = {intent.conversation_id for intent in intents}
    return named - writer.alive(
        CONVERSATIONS, [conversation_id for conversation_id in named if conversation_id is not None]
    )


def _unknown_listings(writer: PushWriter, intents: list[Intent]) -> set[int]:
    """Listings that the reservations name and that are not stored: no foreign key requires them, but they are read."""
    named = {intent.listing_id for intent in intents if intent.listing_id is not None}
    return named - writer.known(LISTINGS, named).keys() if named else set()
