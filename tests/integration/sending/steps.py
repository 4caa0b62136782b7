"""Steps that the tests of sending share, for one reservation of one account."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg

from hostaway_pipeline.errors import MessageNotSent
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.outbox import OutboundMessage
from hostaway_pipeline.sync.sending.send import SendRequest, send_message
from tests.factories import rows

ACCOUNT = 59808
SENDS = "POST /v1/conversations/{id}/messages"
THREAD = "/v1/conversations/{id}/messages"
BLOCKED = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'hostaway.outbound_messages'::regclass"
BODY = "Breakfast & dinner: <8 am>"


def outcome(services: Services, reservation_id: int, key: str = "key", **wish: Any) -> str:
    """Send, and return the status that the caller gets."""
    try:
        return send_message(services, SendRequest(key, reservation_id, BODY, **wish)).status
    except MessageNotSent as error:
        return error.status


def sent(account: Account, reservation_id: int) -> list[str]:
    """The bodies of our messages that reached the guest."""
    return [message.body for message in account.threads_of(reservation_id)[0].messages if "Breakfast" in message.body]


def pause_sends(services: Services, seconds: float) -> None:
    """Pause sends, as a 429 does."""
    slot = services.slots.acquire(ACCOUNT)
    services.slots.record_send_refusal(ACCOUNT, slot, slot + timedelta(seconds=seconds))


def cut_all_connections(url: str, *, blocked_only: bool = False) -> None:
    """Cut connections, as a restart of Postgres or a firewall does."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    blocked = f" AND pid IN ({BLOCKED})" if blocked_only else ""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((others + "AND pid <> pg_backend_pid()" + blocked).encode())


def is_blocked(url: str) -> bool:
    return bool(rows(url, BLOCKED))


@contextmanager
def locked_outbox(url: str) -> Iterator[None]:
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE hostaway.outbound_messages IN EXCLUSIVE MODE")
        yield
        connection.rollback()


def sent_status(url: str) -> str | None:
    found = rows(url, "SELECT status FROM hostaway.outbound_messages")
    return found[0]["status"] if found else None


def added(services: Services, account: Account, reservation_id: int, key: str = "key") -> OutboundMessage:
    return services.outbox.add(
        key,
        account_id=ACCOUNT,
        reservation_id=reservation_id,
        conversation_id=account.threads_of(reservation_id)[0].id,
        body=BODY,
        communication_type="email",
    )


def by_mail(account: Account, reservation_id: int, body: str) -> int:
    """Add a message to the conversation without a request of ours; return its id."""
    thread = account.threads_of(reservation_id)[0]
    return int(account.add_message(thread.id, body, False, sent_using_hostaway=True)["id"])


def in_doubt(services: Services, account: Account, reservation_id: int, url: str, key: str = "key") -> None:
    """Record an attempt a minute ago without a clear answer, whose message has not arrived."""
    held = {message.id for message in account.threads_of(reservation_id)[0].messages}
    begun = services.outbox.begin(added(services, account, reservation_id, key), held, patience=600)
    assert begun is not None
    services.outbox.record_outcome(begun, "unclear", "HTTP 500")
    age(url, "1 minute", key)


def long_ago(url: str) -> None:
    """Age the attempt beyond the patience."""
    age(url, "1 hour", "key")


def age(url: str, by: str, key: str) -> None:
    change = "UPDATE hostaway.outbound_messages SET attempted_at = attempted_at - %s::interval "
    rows(url, change + "WHERE idempotency_key = %s RETURNING 1", by, key)


def leases(url: str) -> list[dict[str, Any]]:
    """The leases of senders that wait for a slot; other leases are shorter."""
    return rows(
        url, "SELECT 1 FROM hostaway.outbound_messages WHERE claimed_until > clock_timestamp() + interval '11 s'"
    )
