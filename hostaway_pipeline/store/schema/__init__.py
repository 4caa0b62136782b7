"""The tables of schema `hostaway`, by subject. A test checks that the migrations build exactly these."""

from hostaway_pipeline.store.schema.accounts import accounts
from hostaway_pipeline.store.schema.base import SCHEMA, metadata
from hostaway_pipeline.store.schema.cadences import cadences, sweeper_places
from hostaway_pipeline.store.schema.calendar import calendar_days
from hostaway_pipeline.store.schema.derived import guests, payload_findings, reservation_finance_lines
from hostaway_pipeline.store.schema.entities import (
    ENTITY_TABLES,
    conversations,
    listings,
    messages,
    reservations,
)
from hostaway_pipeline.store.schema.history import listing_versions, reservation_trails, reservation_versions
from hostaway_pipeline.store.schema.push import outbound_messages, webhook_events, webhook_heads
from hostaway_pipeline.store.schema.state import (
    backups,
    deletion_budgets,
    key_canaries,
    metrics,
    rate_scopes,
    row_counts,
    sweeps,
    sync_runs,
)
from hostaway_pipeline.store.schema.suppression import suppressed_guests

__all__ = [
    "ENTITY_TABLES",
    "SCHEMA",
    "accounts",
    "backups",
    "cadences",
    "calendar_days",
    "conversations",
    "deletion_budgets",
    "guests",
    "key_canaries",
    "listing_versions",
    "listings",
    "messages",
    "metadata",
    "metrics",
    "outbound_messages",
    "payload_findings",
    "rate_scopes",
    "reservation_finance_lines",
    "reservation_trails",
    "reservation_versions",
    "reservations",
    "row_counts",
    "suppressed_guests",
    "sweeper_places",
    "sweeps",
    "sync_runs",
    "webhook_events",
    "webhook_heads",
]
