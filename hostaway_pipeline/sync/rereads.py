"""What a payload cannot settle is read from Hostaway by id: per account, several objects at a time, beside the drainer.

One account's slow or failing API holds up nobody else; what failed stays in the inbox.
"""

from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import reduce
from typing import TypeVar

from hostaway_pipeline.client.client import Found, HostawayClient
from hostaway_pipeline.domain.breaker import FAILURES_THAT_OPEN, pause_after
from hostaway_pipeline.domain.entities import CONVERSATIONS, LISTINGS, MESSAGES, Entity
from hostaway_pipeline.errors import (
    AccountError,
    ApiError,
    DatabaseUnavailable,
    InvalidCredentials,
    NotFound,
    PermanentApiError,
)
from hostaway_pipeline.store.accounts import Account
from hostaway_pipeline.store.inbox import EventOutcome, Status
from hostaway_pipeline.store.push_tables import Changes
from hostaway_pipeline.sync.apply import Applied, Reread, again_in, kind_of
from hostaway_pipeline.sync.ports import Services

K = TypeVar("K")
_ACCOUNTS_AT_ONCE = 4
_OBJECTS_AT_ONCE = 8
# Seconds until an object that broke the work is tried again; its event is set aside after so many attempts.
_AGAIN = 30.0
# So many at a time, so that what was read is soon visible.
_BATCH = 100


class Rereads:
    """A pool of accounts that are being read. Used from one thread; `with` waits for what is under way."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pool = ThreadPoolExecutor(_ACCOUNTS_AT_ONCE, "reread")
        self._waiting: dict[int, dict[tuple[str, int], Reread]] = {}
        self._under_way: dict[int, Future[Applied]] = {}
        self._unreadable: set[tuple[int, int]] = set()  # listings that reservations name and Hostaway does not show

    def __enter__(self) -> "Rereads":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    @property
    def is_busy(self) -> bool:
        return bool(self._under_way or self._waiting)

    def add(self, account_id: int, rereads: Iterable[Reread]) -> None:
        """Reads of one object are one read, whatever number of events asks for it."""
        queue = self._waiting.setdefault(account_id, {})
        for reread in rereads:
            if not reread.all_ids and (account_id, reread.object_id) in self._unreadable:
                continue
            earlier = queue.get(reread.key)
            events = (*earlier.event_ids, *reread.event_ids) if earlier else reread.event_ids
            late = (*earlier.late_ids, *reread.late_ids) if earlier else reread.late_ids
            # Of two, the read has to be a real one: the earlier's verdict did not know of the later's event.
            verdict = reread.verdict if earlier is None else None
            queue[reread.key] = Reread(reread.entity, reread.object_id, events, late, reread.conversation_id, verdict)
        if not queue:
            del self._waiting[account_id]
        self._start()

    def collect(self, seconds: float = 0) -> list[Applied]:
        """What has ended by now, or within so many seconds."""
        if self._under_way:
            wait(self._under_way.values(), timeout=seconds, return_when=FIRST_COMPLETED)
        done = [account_id for account_id, future in self._under_way.items() if future.done()]
        ended = [self._under_way.pop(account_id).result() for account_id in done]
        self._start()
        return ended

    def _start(self) -> None:
        for account_id in [one for one in self._waiting if one not in self._under_way]:
            queue = self._waiting.pop(account_id)
            batch = [queue.pop(key) for key in list(queue)[:_BATCH]]
            if queue:
                self._waiting[account_id] = queue
            self._under_way[account_id] = self._pool.submit(self._read, account_id, batch)

    def _read(self, account_id: int, batch: list[Reread]) -> Applied:
        try:
            return self._read_batch(account_id, batch)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 (whatever one object can break must not stop the others)
            if len(batch) > 1:
                return reduce(Applied.joined, (self._read(account_id, [reread]) for reread in batch))
            outcomes = [EventOutcome(one, "pending", kind_of(error), again_in=_AGAIN) for one in batch[0].all_ids]
            self._services.inbox.settle(outcomes)
            return Applied(account_id)

    def _read_batch(self, account_id: int, batch: list[Reread]) -> Applied:
        try:
            account = self._services.accounts.get(account_id)
        except AccountError as error:  # removed since its events were claimed
            ids = [event_id for reread in batch for event_id in reread.all_ids]
            self._services.inbox.settle([EventOutcome(one, "ignored", str(error)) for one in ids])
            return Applied(account_id)
        try:
            account.require_unpaused(datetime.now(UTC))
        except AccountError as error:
            return self._postponed(account_id, batch, error, seconds=_until_unpaused(account))
        with self._services.interactive_client(account_id) as client:
            try:
                return self._read_and_apply(account, client, batch)
            except ApiError as error:
                applied = self._postponed(account_id, batch, error, seconds=again_in(account.failures + 1))
                applied.api_calls = client.stats.api_calls
                self._note_failure(account, error)
                return applied

    def _read_and_apply(self, account: Account, client: HostawayClient, batch: list[Reread]) -> Applied:
        tables = self._services.push_tables(account)
        changes = Changes(asked_at=tables.database_time())
        parents = {r.conversation_id for r in batch if r.entity is MESSAGES and r.conversation_id is not None}
        missing = parents - tables.alive(CONVERSATIONS, parents)
        conversations = _read_all(client, {one: f"/conversations/{one}" for one in missing})
        for conversation_id, told in conversations.items():
            _take(changes, CONVERSATIONS, conversation_id, told)
        unavailable = {one for one, told in conversations.items() if not isinstance(told, Found)}
        objects = _read_all(
            client, {r.key: _path(r) for r in batch if _needs_read(r) and r.conversation_id not in unavailable}
        )
        applied = Applied(account.account_id)
        for reread in batch:
            answer: Found | PermanentApiError | None = objects.get(reread.key)
            if reread.conversation_id in unavailable:
                answer = conversations[reread.conversation_id or 0]
            elif answer is None and reread.verdict is not None and reread.verdict.row is not None:
                changes.rows[reread.entity.name].append(reread.verdict.row)
            if answer is not None:
                _take(changes, reread.entity, reread.object_id, answer)
            if reread.entity is LISTINGS and isinstance(answer, PermanentApiError):
                self._unreadable.add((account.account_id, reread.object_id))
            changes.outcomes += [_outcome(event_id, answer, "applied") for event_id in reread.event_ids]
            changes.outcomes += [_outcome(event_id, answer, "stale") for event_id in reread.late_ids]
            applied.events.setdefault(reread.entity.name, []).extend(reread.all_ids)
        applied.counts = tables.apply(changes)
        applied.api_calls = client.stats.api_calls
        return applied

    def _postponed(
        self, account_id: int, batch: list[Reread], error: AccountError | ApiError, *, seconds: float
    ) -> Applied:
        """Not the events' fault: they wait, however long it takes."""
        ids = [event_id for reread in batch for event_id in reread.all_ids]
        outcomes = [EventOutcome(one, "pending", str(error), again_in=seconds, is_blameless=True) for one in ids]
        self._services.inbox.settle(outcomes)
        return Applied(account_id, error=error)

    def _note_failure(self, account: Account, error: ApiError) -> None:
        """Once the breaker opens, an ordinary run of this account is asked for: it shows red, with the reason."""
        is_permanent = isinstance(error, PermanentApiError)
        pause = pause_after(account.failures + 1, is_permanent=is_permanent)
        self._services.accounts.mark_failed(account.account_id, pause=pause)
        if pause is not None and account.failures + 1 <= FAILURES_THAT_OPEN:
            self._services.accounts.ask_for_sync(account.account_id)


def _until_unpaused(account: Account) -> float:
    now = datetime.now(UTC)
    return max(1.0, ((account.paused_until or now) - now).total_seconds())


def _needs_read(reread: Reread) -> bool:
    return reread.verdict is None or reread.verdict.row is None


def _path(reread: Reread) -> str:
    if reread.entity is MESSAGES:
        return f"/conversations/{reread.conversation_id or 0}/messages/{reread.object_id}"
    return f"/{reread.entity.name}/{reread.object_id}"


def _read_all(client: HostawayClient, paths: dict[K, str]) -> dict[K, Found | PermanentApiError]:
    """Each object, or why Hostaway does not give it. Raises what is no fault of one object."""
    with ThreadPoolExecutor(_OBJECTS_AT_ONCE, "object") as pool:
        futures = {key: pool.submit(_read_one, client, path) for key, path in paths.items()}
    return {key: future.result() for key, future in futures.items()}


def _read_one(client: HostawayClient, path: str) -> Found | PermanentApiError:
    try:
        return client.one(path)
    except InvalidCredentials:
        raise
    except PermanentApiError as error:
        return error


def _take(changes: Changes, entity: Entity, object_id: int, answer: Found | PermanentApiError) -> None:
    """A row to merge, a tombstone, or nothing where Hostaway refuses to show the object."""
    if isinstance(answer, NotFound):
        changes.gone[entity.name].add(object_id)
    elif isinstance(answer, Found) and (row := entity.row(answer.payload, answer.read_at)) is not None:
        changes.reads[entity.name].append(row)


def _outcome(event_id: int, answer: Found | PermanentApiError | None, status: Status) -> EventOutcome:
    if isinstance(answer, PermanentApiError) and not isinstance(answer, NotFound):
        return EventOutcome(event_id, "failed", str(answer))
    return EventOutcome(event_id, status)
