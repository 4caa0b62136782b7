"""Create the state that syncs record: runs, sweeps, read markers, rate limiter scopes, key canaries.

Revision ID: 0002
Revises: 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision = "0001"

SCHEMA = "hostaway"
INSTANT = sa.DateTime(timezone=True)
TABLES = ("sync_runs", "sweeps", "rate_scopes", "key_canaries")
READ_STATE = (
    "messages_synced_at",
    "messages_read_sent_at",
    "messages_read_received_at",
    "messages_read_count",
)


def upgrade() -> None:
    op.create_table(
        "sync_runs",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _account_id(nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False, comment="cli, dagster"),
        sa.Column("dagster_run_id", sa.Text),
        sa.Column("status", sa.Text, nullable=False, comment="running, succeeded, incomplete, failed, interrupted"),
        sa.Column("started_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column(
            "baseline_at",
            INSTANT,
            nullable=False,
            comment="Messages read since then are not read again by this run",
        ),
        sa.Column("finished_at", INSTANT),
        sa.Column("api_calls", sa.Integer),
        sa.Column("http_429", sa.Integer),
        sa.Column("entities", JSONB, nullable=False, server_default="{}", comment="Counts per entity"),
        sa.Column("error", sa.Text),
        schema=SCHEMA,
    )
    op.create_index("sync_runs_account", "sync_runs", ["account_id", sa.text("started_at DESC")], schema=SCHEMA)
    op.create_table(
        "sweeps",
        _account_id(primary_key=True),
        sa.Column("entity", sa.Text, primary_key=True),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=False),
        sa.Column("is_complete", sa.Boolean, nullable=False),
        sa.Column("server_count", sa.BigInteger, comment="What Hostaway counted"),
        sa.Column("seen_count", sa.BigInteger, nullable=False, comment="Distinct rows that the sweep saw"),
        sa.Column(
            "table_count", sa.BigInteger, nullable=False, comment="Live rows in the table once the sweep was done"
        ),
        sa.Column("held_back", sa.BigInteger, nullable=False, comment="Rows that look deleted but were not marked"),
        sa.Column("reason", sa.Text, comment="Why the sweep is not complete or rows were held back"),
        schema=SCHEMA,
        comment="The newest sweep of each list: what the asset checks read",
    )
    op.create_table(
        "rate_scopes",
        sa.Column("scope", sa.Text, primary_key=True, comment="account:<id> or ip:<egress>"),
        sa.Column("slots", ARRAY(INSTANT), nullable=False, comment="The newest permissions given, oldest first"),
        sa.Column("paused_until", INSTANT, comment="Set by a 429"),
        schema=SCHEMA,
        comment="The rate limiter of all processes",
    )
    op.create_table(
        "key_canaries",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("ciphertext", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        schema=SCHEMA,
        comment="A known text under each encryption key in use, to tell a wrong key at the start",
    )
    read_state: dict[str, tuple[TypeEngine[Any], str]] = {
        "messages_synced_at": (INSTANT, "Start of the last complete read of the messages"),
        "messages_read_sent_at": (INSTANT, "Marker message_sent_at as it stood at that read"),
        "messages_read_received_at": (INSTANT, "Marker message_received_at as it stood at that read"),
        "messages_read_count": (sa.Integer(), "Messages that Hostaway counted at that read"),
    }
    for name, (kind, comment) in read_state.items():
        op.add_column("conversations", sa.Column(name, kind, comment=comment), schema=SCHEMA)


def downgrade() -> None:
    for name in READ_STATE:
        op.drop_column("conversations", name, schema=SCHEMA)
    for table in TABLES:
        op.drop_table(table, schema=SCHEMA)


def _account_id(**options: Any) -> sa.Column[Any]:
    owner = sa.ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE")
    return sa.Column("account_id", sa.BigInteger, owner, **options)
