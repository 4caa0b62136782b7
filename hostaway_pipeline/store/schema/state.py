"""The state that syncs record and processes share: runs, sweeps, budgets, rate scopes, key canaries, counters."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Double, Identity, Index, Integer, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_pipeline.store.schema.base import Instant, account_id, metadata

sync_runs = Table(
    "sync_runs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    account_id(nullable=False),
    Column("mode", Text, nullable=False),
    Column("source", Text, nullable=False, comment="cli, dagster"),
    Column("dagster_run_id", Text),
    Column("status", Text, nullable=False, comment="running, succeeded, incomplete, failed, interrupted"),
    Column("started_at", Instant, nullable=False, server_default=func.now()),
    Column(
        "baseline_at",
        Instant,
        nullable=False,
        comment="Messages read since then are not read again by this run",
    ),
    Column("finished_at", Instant),
    Column("api_calls", Integer),
    Column("http_429", Integer),
    Column("entities", JSONB, nullable=False, server_default="{}", comment="Counts per entity"),
    Column("error", Text),
)
Index("sync_runs_newest", sync_runs.c.account_id, sync_runs.c.id.desc())
Index("sync_runs_newest_of_mode", sync_runs.c.account_id, sync_runs.c.mode, sync_runs.c.id.desc())
Index("sync_runs_started", sync_runs.c.started_at)
Index("sync_runs_running", sync_runs.c.account_id, postgresql_where=sync_runs.c.status == "running")

sweeps = Table(
    "sweeps",
    metadata,
    account_id(primary_key=True),
    Column("entity", Text, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant, nullable=False),
    Column("is_complete", Boolean, nullable=False),
    Column("server_count", BigInteger, comment="What Hostaway counted"),
    Column("seen_count", BigInteger, nullable=False, comment="Distinct rows that the sweep saw"),
    Column("table_count", BigInteger, nullable=False, comment="Live rows in the table once the sweep was done"),
    Column("held_back", BigInteger, nullable=False, comment="Rows that look deleted but were not marked"),
    Column("reason", Text, comment="Why the sweep is not complete or rows were held back"),
    Column(
        "orphan_count",
        BigInteger,
        comment="Live messages without a live conversation; null: other lists, or not counted yet",
    ),
    Column("known_until", Instant, comment="Hostaway's newest change that a complete read has seen"),
    Column(
        "proven_at", Instant, comment="Start of the newest complete pass: it proved every row that it did not write"
    ),
    comment="The newest sweep of each list: what the asset checks read",
)

# The triggers that write it are in migration 0017.
row_counts = Table(
    "row_counts",
    metadata,
    account_id(nullable=False),
    Column("entity", Text, nullable=False),
    Column("live", BigInteger, nullable=False, comment="Rows that this change added; negative: removed"),
    comment="Live rows of each table, to be added up. Triggers only add rows: no transaction waits for another",
)
Index("row_counts_account", row_counts.c.account_id)

deletion_budgets = Table(
    "deletion_budgets",
    metadata,
    account_id(primary_key=True),
    Column("entity", Text, primary_key=True),
    Column("since", Instant, nullable=False, comment="When the day began: with its first deletion"),
    Column("live", BigInteger, nullable=False, comment="The most rows that lived since then"),
    Column("marked", BigInteger, nullable=False, comment="Rows that were marked as deleted since then"),
    comment="How many rows of each table may still go today",
)

rate_scopes = Table(
    "rate_scopes",
    metadata,
    Column("scope", Text, primary_key=True, comment="account:<id> or ip:<egress>"),
    Column("slots", ARRAY(Instant), nullable=False, comment="The newest permissions given, oldest first"),
    Column("paused_until", Instant, comment="Set by a 429"),
    Column("interactive_at", Instant, comment="When somebody last did interactive work"),
    Column("interactive_slot", Instant, comment="The newest permission given to interactive work"),
    Column("pace", Integer, comment="Learned from 429s: requests per window; null: as set"),
    Column("pace_changed_at", Instant, comment="When the pace fell or rose last"),
    Column("refused_at", Instant, comment="The newest 429 within the limit, which this scope is blamed for"),
    Column("refused_after", Integer, comment="How many requests of its window had got through"),
    Column("refused_limit", Integer, comment="How many were allowed then, as set or learned"),
    Column("shared_with", ARRAY(Text), comment="Scopes that seem to have the same IP address"),
    Column("shared_at", Instant, comment="When that was last seen"),
    comment="The rate limiter of all processes",
)

key_canaries = Table(
    "key_canaries",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("ciphertext", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    comment="A known text under each encryption key in use, to tell a wrong key at the start",
)

metrics = Table(
    "metrics",
    metadata,
    Column("name", Text, primary_key=True),
    Column("labels", ARRAY(Text), primary_key=True, comment="The values, in the order of the metric's label names"),
    Column("value", Double, nullable=False),
    comment="Counters of all processes, added up: what /metrics shows of work done elsewhere",
)

backups = Table(
    "backups",
    metadata,
    Column("began_at", Instant, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    comment="Backups by `hostaway db backup`",
)
