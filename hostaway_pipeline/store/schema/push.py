"""The inbox of webhook events, and the messages that are sent through us."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_pipeline.store.schema.base import Instant, account_id, metadata

webhook_events = Table(
    "webhook_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    account_id(nullable=False),
    Column("event", Text, nullable=False, comment="As Hostaway names it, such as reservation.updated"),
    Column("object", Text, nullable=False, comment="As Hostaway names it, such as conversationMessage"),
    Column("object_id", BigInteger, comment="Null where an unknown kind of event carries none"),
    Column("payload", JSONB, nullable=False, comment="The object as it came, without secrets"),
    Column("received_at", Instant, nullable=False, server_default=func.clock_timestamp()),
    Column("request_id", Text, comment="Of the delivery: the same in the receiver's log"),
    Column("status", Text, nullable=False, comment="pending, applied, stale, ignored, failed"),
    Column("attempts", Integer, nullable=False, server_default="0", comment="Times that it failed by its own fault"),
    Column("claimed_at", Instant, comment="Since then a drainer holds it; null: free"),
    Column("begun_at", Instant, comment="Since then it is worked on; null: it waits"),
    Column("retry_at", Instant, comment="Not before then, after a try that failed"),
    Column("error", Text, comment="Why it failed, was ignored or waits"),
    Column("applied_at", Instant, comment="When it got its final status"),
    comment="Inbox: what Hostaway delivered and we answered 2xx",
)
# Most events are settled. A query uses one of these only if it asks for this one status.
Index("webhook_events_pending", webhook_events.c.id, postgresql_where=webhook_events.c.status == "pending")
Index("webhook_events_failed", webhook_events.c.id, postgresql_where=webhook_events.c.status == "failed")
Index("webhook_events_account", webhook_events.c.account_id, webhook_events.c.id.desc())
Index("webhook_events_received", webhook_events.c.received_at)

webhook_heads = Table(
    "webhook_heads",
    metadata,
    account_id(primary_key=True),
    Column("object", Text, primary_key=True),
    Column("object_id", BigInteger, primary_key=True, autoincrement=False),
    Column("fingerprint", LargeBinary, nullable=False, comment="Of event and payload, volatile keys included"),
    Column("received_at", Instant, nullable=False, server_default=func.clock_timestamp()),
    comment="The newest event of each object: what tells a repeated delivery",
)

outbound_messages = Table(
    "outbound_messages",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    account_id(nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("reservation_id", BigInteger, nullable=False),
    Column("conversation_id", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("communication_type", Text, nullable=False),
    Column("status", Text, nullable=False, comment="pending, sending, unclear, sent, failed"),
    Column("attempts", Integer, nullable=False, server_default="0", comment="Times that Hostaway was asked to send"),
    Column("attempted_at", Instant, comment="Start of the last attempt"),
    Column("message_id", BigInteger, comment="Hostaway's id, once sent"),
    Column("error", Text),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("sent_at", Instant),
    Column(
        "ids_before",
        ARRAY(BigInteger),
        nullable=False,
        server_default="{}",
        comment="Messages that the conversation held before the attempt",
    ),
    Column("claimed_until", Instant, comment="Lease of the sender that waits for its turn"),
    UniqueConstraint("idempotency_key", name="outbound_messages_idempotency_key"),
    comment="Every message that was to be sent through us, with what became of it",
)
Index(
    "outbound_messages_message",
    outbound_messages.c.account_id,
    outbound_messages.c.message_id,
    unique=True,
    postgresql_where=outbound_messages.c.message_id.is_not(None),
)
Index("outbound_messages_conversation", outbound_messages.c.account_id, outbound_messages.c.conversation_id)
Index(
    "outbound_messages_open",
    outbound_messages.c.created_at,
    postgresql_where=outbound_messages.c.status.in_(("pending", "sending", "unclear")),
)
