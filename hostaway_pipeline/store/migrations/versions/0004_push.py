"""Add the push journey: inbox, sent messages, webhook state of an account, shared counters, and `read_at` for ties.

Revision ID: 0004
Revises: 0003
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0004"
down_revision = "0003"

SCHEMA = "hostaway"
INSTANT = sa.DateTime(timezone=True)
ENTITIES = ("listings", "reservations", "conversations", "messages")
TABLES = ("webhook_events", "webhook_heads", "outbound_messages", "metrics")
ACCOUNT_COLUMNS = (
    ("webhook_previous_login", sa.Text, "Accepted, too, while the password is being rotated"),
    ("webhook_previous_password", sa.Text, "Encrypted"),
    ("webhook_previous_until", INSTANT, "From then on the previous password is refused"),
    ("webhook_enabled", sa.Boolean, "As Hostaway told at webhook_checked_at"),
    ("webhook_checked_at", INSTANT, "When the registration was last looked at"),
    ("webhook_log_id", sa.BigInteger, "The newest past delivery that gap recovery has looked at"),
    ("next_mode", sa.Text, "The mode that was asked for; null: reconcile"),
)
WEBHOOK_ID_COMMENT = "Hostaway's id of our registration; null: not registered"


def upgrade() -> None:
    for entity in ENTITIES:
        comment = "When this content was asked for or received: settles equal source times"
        op.add_column(entity, sa.Column("read_at", INSTANT, comment=comment), schema=SCHEMA)
    for name, kind, text in ACCOUNT_COLUMNS:
        op.add_column("accounts", sa.Column(name, kind, comment=text), schema=SCHEMA)
    op.alter_column("accounts", "webhook_id", comment=WEBHOOK_ID_COMMENT, schema=SCHEMA)
    _create_inbox()
    op.create_table(
        "outbound_messages",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _account_id(nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("reservation_id", sa.BigInteger, nullable=False),
        sa.Column("conversation_id", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("communication_type", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False, comment="pending, sending, unclear, sent, failed"),
        sa.Column(
            "attempts", sa.Integer, nullable=False, server_default="0", comment="Times that Hostaway was asked to send"
        ),
        sa.Column("attempted_at", INSTANT, comment="Start of the last attempt"),
        sa.Column("message_id", sa.BigInteger, comment="Hostaway's id, once sent"),
        sa.Column("error", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column("sent_at", INSTANT),
        sa.UniqueConstraint("idempotency_key", name="outbound_messages_idempotency_key"),
        schema=SCHEMA,
        comment="Every message that was to be sent through us, with what became of it",
    )
    op.create_table(
        "metrics",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column(
            "labels", ARRAY(sa.Text), primary_key=True, comment="The values, in the order of the metric's label names"
        ),
        sa.Column("value", sa.Double, nullable=False),
        schema=SCHEMA,
        comment="Counters of all processes, added up: what /metrics shows of work done elsewhere",
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table, schema=SCHEMA)
    op.alter_column("accounts", "webhook_id", comment=None, schema=SCHEMA)
    for name, _, _ in ACCOUNT_COLUMNS:
        op.drop_column("accounts", name, schema=SCHEMA)
    for entity in ENTITIES:
        op.drop_column(entity, "read_at", schema=SCHEMA)


def _create_inbox() -> None:
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _account_id(nullable=False),
        sa.Column("event", sa.Text, nullable=False, comment="As Hostaway names it, such as reservation.updated"),
        sa.Column("object", sa.Text, nullable=False, comment="As Hostaway names it, such as conversationMessage"),
        sa.Column("object_id", sa.BigInteger, comment="Null where an unknown kind of event carries none"),
        sa.Column("payload", JSONB, nullable=False, comment="The object as it came, without secrets"),
        sa.Column("received_at", INSTANT, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("request_id", sa.Text, comment="Of the delivery: the same in the receiver's log"),
        sa.Column("status", sa.Text, nullable=False, comment="pending, applied, stale, ignored, failed"),
        sa.Column(
            "attempts", sa.Integer, nullable=False, server_default="0", comment="Times that the event was claimed"
        ),
        sa.Column("claimed_until", INSTANT, comment="Lease of the drainer that works on it"),
        sa.Column("retry_at", INSTANT, comment="Not before then, after a try that failed"),
        sa.Column("error", sa.Text, comment="Why it failed, was ignored or waits"),
        sa.Column("applied_at", INSTANT, comment="When it got its final status"),
        schema=SCHEMA,
        comment="Inbox: what Hostaway delivered and we answered 2xx",
    )
    is_pending = sa.text("status = 'pending'")
    op.create_index("webhook_events_pending", "webhook_events", ["id"], schema=SCHEMA, postgresql_where=is_pending)
    op.create_index("webhook_events_account", "webhook_events", ["account_id", sa.text("id DESC")], schema=SCHEMA)
    op.create_index("webhook_events_received", "webhook_events", ["received_at"], schema=SCHEMA)
    op.create_table(
        "webhook_heads",
        _account_id(primary_key=True),
        sa.Column("object", sa.Text, primary_key=True),
        sa.Column("object_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column(
            "fingerprint", sa.LargeBinary, nullable=False, comment="Of event and payload, volatile keys included"
        ),
        sa.Column("received_at", INSTANT, nullable=False, server_default=sa.func.clock_timestamp()),
        schema=SCHEMA,
        comment="The newest event of each object: what tells a repeated delivery",
    )


def _account_id(**options: Any) -> sa.Column[Any]:
    owner = sa.ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE")
    return sa.Column("account_id", sa.BigInteger, owner, **options)
