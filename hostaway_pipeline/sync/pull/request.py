"""The request for a sync of one account, and its report."""

from dataclasses import dataclass, field
from typing import Any

from hostaway_pipeline.client.client import CallStats
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import CONVERSATIONS, ENTITIES
from hostaway_pipeline.domain.vocabulary import Mode, SyncStatus
from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.store.copy.sweeps import SweepRecord
from hostaway_pipeline.sync.pull.sweep import Outcome


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What to sync and how.

    `entities`: the four entities, unless others are named; the calendar is read only if it is.
    `allow_mass_delete`: mark any number of missing rows as deleted, ignoring HOSTAWAY_MAX_DELETE_SHARE.
    `reread_share`: fraction of the unchanged conversations that a reconcile reads; None: HOSTAWAY_REREAD_SHARE.
    `respect_pause`: refuse an account that its circuit breaker has paused; a person's request may try it.
    `wait_seconds`: how long to wait for another sync of the same account.
    """

    account_id: int
    mode: Mode = "full"
    allow_mass_delete: bool = False
    reread_share: float | None = None
    entities: tuple[str, ...] = tuple(ENTITIES)
    source: str = "cli"
    dagster_run_id: str | None = None
    dry_run: bool = False
    wait_seconds: float = 0
    respect_pause: bool = False


@dataclass(slots=True)
class Report:
    """`status` is succeeded, incomplete (a list could not be trusted: see `problems`) or failed (see `error`).

    `account_name`: for people; None also when the account could not be read.

    `enquiries`: conversations without a reservation that a refresh read by id, at one of the `api_calls` each.
    `trails_left`: of a read of audit trails, how many are still to be read.
    """

    account_id: int
    account_name: str | None = None
    status: SyncStatus = "running"
    seconds: float = 0.0
    api_calls: int = 0
    http_429: int = 0
    enquiries: int = 0
    trails_left: int | None = None
    entities: dict[str, Counts] = field(default_factory=dict)
    sweeps: dict[str, SweepRecord] = field(default_factory=dict)
    error: PipelineError | None = None

    @property
    def problems(self) -> dict[str, str]:
        return {name: sweep.reason for name, sweep in self.sweeps.items() if sweep.reason is not None}

    def add(self, outcome: Outcome) -> None:
        self.entities[outcome.entity] = outcome.counts
        self.enquiries += outcome.enquiries
        if outcome.gone_conversations:
            conversations = self.entities.get(CONVERSATIONS.name, Counts())
            self.entities[CONVERSATIONS.name] = conversations + Counts(deleted=outcome.gone_conversations)
        if outcome.record is not None:
            self.sweeps[outcome.entity] = outcome.record

    def add_calls(self, stats: CallStats) -> None:
        self.api_calls += stats.api_calls
        self.http_429 += stats.http_429

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON, with counts by entity."""
        return {
            "account_id": self.account_id,
            "status": self.status,
            "seconds": self.seconds,
            "api_calls": self.api_calls,
            "http_429": self.http_429,
            **({"enquiries": self.enquiries} if self.enquiries else {}),
            "entities": {entity: counts.as_dict() for entity, counts in self.entities.items()},
        }
