"""Sent once, whatever dies and however late Hostaway accepts: the fence decides, and the words are true."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from hostaway_pipeline.errors import MessageNotSent
from hostaway_pipeline.sandbox.account import Account
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.store.outbox import OutboundMessage
from hostaway_pipeline.sync.send import Wish, send_message
from hostaway_pipeline.wiring import Services
from tests.factories import add_account, rows, synced
from tests.waiting import wait_until

OpenSandbox = Callable[..., SandboxServer]
OpenServices = Callable[..., Services]
ACCOUNT = 59808
SENDS = "POST /v1/conversations/{id}/messages"
THREAD = "/v1/conversations/{id}/messages"
BLOCKED = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'hostaway.outbound_messages'::regclass"
BODY = "Breakfast & dinner: <8 am>"


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:2:10", send_limit=None)


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    """An account that is synced; Hostaway's answers are waited for for a second."""
    opened = open_services(sandbox, read_timeout=1.0)
    add_account(opened, ACCOUNT)
    synced(opened, ACCOUNT)
    return opened


@pytest.fixture
def account(sandbox: SandboxServer) -> Account:
    return sandbox.world.account(ACCOUNT)


@pytest.fixture
def reservation_id(account: Account) -> int:
    """One with a single conversation."""
    named = [payload["reservationId"] for payload in account.truth("conversations")]
    return next(one for one in named if one is not None and named.count(one) == 1)


def outcome(services: Services, reservation_id: int, key: str = "key", **wish: Any) -> str:
    """The status that the caller learns."""
    try:
        return send_message(services, Wish(key, reservation_id, BODY, **wish)).status
    except MessageNotSent as error:
        return error.status


def sent(account: Account, reservation_id: int) -> list[str]:
    """What the guest reads of what was not there at first."""
    return [message.body for message in account.threads_of(reservation_id)[0].messages if "Breakfast" in message.body]


def pause_sends(services: Services, seconds: float) -> None:
    """As a 429 does."""
    slot = services.slots.acquire(ACCOUNT)
    services.slots.send_refused(ACCOUNT, slot, slot + timedelta(seconds=seconds))


def cut_all_connections(url: str, *, blocked_only: bool = False) -> None:
    """As a restart of Postgres, or a firewall, does."""
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
    """A message that arrives in the conversation without a request of ours; its id."""
    thread = account.threads_of(reservation_id)[0]
    return int(account.add_message(thread.id, body, False, sent_using_hostaway=True)["id"])


def in_doubt(services: Services, account: Account, reservation_id: int, url: str, key: str = "key") -> None:
    """A minute ago Hostaway was asked to send it and gave no clear answer; it has not arrived."""
    held = {message.id for message in account.threads_of(reservation_id)[0].messages}
    begun = services.outbox.begin(added(services, account, reservation_id, key), held, patience=600)
    assert begun is not None
    services.outbox.settle(begun, "unclear", "HTTP 500")
    age(url, "1 minute", key)


def long_ago(url: str) -> None:
    """Longer than the patience."""
    age(url, "1 hour", "key")


def age(url: str, by: str, key: str) -> None:
    change = "UPDATE hostaway.outbound_messages SET attempted_at = attempted_at - %s::interval "
    rows(url, change + "WHERE idempotency_key = %s RETURNING 1", by, key)


# The three ways of sending twice


def test_a_sender_whose_connections_die_while_it_waits_for_its_turn_and_a_repetition_send_one_message(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    assert outcome(services, reservation_id, "earlier") == "sent"
    pause_sends(services, 2.0)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(outcome, services, reservation_id)
        wait_until(lambda: services.outbox.find("key") is not None)
        cut_all_connections(database_url)
        second = pool.submit(outcome, services, reservation_id)
    assert "sent" in {first.result(), second.result()} <= {"sent", "busy"}
    assert sandbox.counters.calls()[SENDS] == 2
    assert len(sent(account, reservation_id)) == 2


def test_a_message_that_hostaway_accepts_late_is_not_sent_again_and_is_found_later(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int
) -> None:
    """Later than the sender waits and looks, and than the caller who repeats at once looks."""
    sandbox.faults.update(send_delay=60.0)
    assert outcome(services, reservation_id) == "unclear"
    assert outcome(services, reservation_id) == "unclear"
    sandbox.faults.update(send_delay=0.0)
    wait_until(lambda: bool(sent(account, reservation_id)))
    assert outcome(services, reservation_id) == "sent"
    assert outcome(services, reservation_id) == "sent"
    assert sandbox.counters.calls()[SENDS] == 1
    assert sent(account, reservation_id) == [BODY]


def test_a_text_that_hostaway_stores_as_html_is_recognised(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int
) -> None:
    sandbox.faults.update(send_escapes=True, send_unclear="500")
    assert outcome(services, reservation_id) == "sent"
    assert outcome(services, reservation_id) == "sent"
    assert sandbox.counters.calls()[SENDS] == 1
    assert sent(account, reservation_id) == ["Breakfast &amp; dinner: &lt;8 am&gt;"]


# The fence


def test_callers_in_many_processes_with_one_key_send_one_message(
    services: Services, open_services: OpenServices, sandbox: SandboxServer, account: Account, reservation_id: int
) -> None:
    receivers = [services, *(open_services(sandbox, read_timeout=1.0) for _ in range(3))]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: outcome(receivers[number % 4], reservation_id), range(8)))
    assert "sent" in set(outcomes) <= {"sent", "busy"}
    assert sandbox.counters.calls()[SENDS] == 1
    assert sent(account, reservation_id) == [BODY]


def test_whoever_is_in_flight_makes_others_busy_and_takes_no_turn_from_them(
    services: Services, sandbox: SandboxServer, reservation_id: int, database_url: str
) -> None:
    assert outcome(services, reservation_id, "earlier") == "sent"
    pause_sends(services, 2.0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(outcome, services, reservation_id)
        wait_until(lambda: bool(leases(database_url)))
        assert [outcome(services, reservation_id) for _ in range(3)] == ["busy"] * 3
    assert first.result() == "sent"
    query = "SELECT cardinality(slots) AS n FROM hostaway.rate_scopes WHERE scope = %s"
    [turns] = rows(database_url, query, f"send:{ACCOUNT}")
    assert turns["n"] == 2


def leases(url: str) -> list[dict[str, Any]]:
    return rows(
        url, "SELECT 1 FROM hostaway.outbound_messages WHERE claimed_until > clock_timestamp() + interval '11 s'"
    )


def test_of_many_that_saw_the_same_one_passes_the_fence(
    services: Services, reservation_id: int, account: Account
) -> None:
    seen = added(services, account, reservation_id)
    with ThreadPoolExecutor(8) as pool:
        begun = [one for one in pool.map(lambda _: services.outbox.begin(seen, {1}, patience=600), range(16)) if one]
    assert [(one.status, one.attempts, one.ids_before) for one in begun] == [("sending", 1, [1])]


def test_a_refused_token_is_an_attempt_of_its_own(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int
) -> None:
    """The conversation is read with the token that the request will be refused."""
    sandbox.faults.update(revoke_after=1)
    message = send_message(services, Wish("key", reservation_id, BODY))
    assert (message.status, message.attempts) == ("sent", 2)
    assert sent(account, reservation_id) == [BODY]


def test_a_sender_without_a_database_after_its_request_does_not_say_that_nothing_was_sent(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    sandbox.faults.update(send_delay=0.5)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(outcome, services, reservation_id)
        wait_until(lambda: sent_status(database_url) == "sending")
        with locked_outbox(database_url):
            wait_until(lambda: is_blocked(database_url))
            cut_all_connections(database_url, blocked_only=True)
        assert first.result() == "unclear"
    assert outcome(services, reservation_id) == "sent"
    assert sandbox.counters.calls()[SENDS] == 1


# Recognition


def test_an_equal_text_that_another_key_has_sent_is_not_taken_for_it(
    services: Services, account: Account, reservation_id: int, database_url: str
) -> None:
    """The first was lost; the second came after the first one's look at what was there."""
    in_doubt(services, account, reservation_id, database_url, "one")
    assert outcome(services, reservation_id, "two") == "sent"
    assert outcome(services, reservation_id, "one") == "unclear"
    assert sent(account, reservation_id) == [BODY]


def test_of_two_unclear_messages_with_one_text_one_is_found_when_one_is_there(
    services: Services, account: Account, reservation_id: int, database_url: str
) -> None:
    for key in ("one", "two"):
        in_doubt(services, account, reservation_id, database_url, key)
    by_mail(account, reservation_id, BODY)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda key: outcome(services, reservation_id, key), ("one", "two")))
    assert sorted(outcomes) == ["sent", "unclear"]


def test_what_may_be_another_keys_message_is_not_claimed_while_that_one_is_being_sent(
    services: Services, account: Account, reservation_id: int, database_url: str
) -> None:
    in_doubt(services, account, reservation_id, database_url, "one")
    rival = services.outbox.begin(added(services, account, reservation_id, "two"), set(), patience=600)
    assert rival is not None
    arrived = by_mail(account, reservation_id, BODY)
    assert outcome(services, reservation_id, "one") == "unclear"
    services.outbox.sent(rival, arrived)
    assert outcome(services, reservation_id, "one") == "unclear"
    assert outcome(services, reservation_id, "two") == "sent"


def test_hostaways_word_outdoes_a_claim_by_text(services: Services, account: Account, reservation_id: int) -> None:
    one, two = (added(services, account, reservation_id, key) for key in ("one", "two"))
    begun = services.outbox.begin(one, set(), patience=600)
    assert begun is not None
    assert services.outbox.claim(begun, 7) is not None
    assert services.outbox.sent(two, 7).message_id == 7
    lost = services.outbox.find("one")
    assert lost is not None
    assert (lost.status, lost.message_id) == ("unclear", None)


def test_what_was_there_before_is_not_taken_for_it_though_no_table_knows_it(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int
) -> None:
    """Somebody has just written the same by hand."""
    by_mail(account, reservation_id, BODY)
    sandbox.faults.update(send_unclear="lost")
    assert outcome(services, reservation_id) == "unclear"


def test_an_answer_that_shows_nothing_is_no_proof_that_a_message_is_not_there(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    sandbox.faults.update(send_unclear="500", odd_answers={THREAD: "empty"})
    assert outcome(services, reservation_id) == "unclear"
    long_ago(database_url)
    assert outcome(services, reservation_id, resend=True) == "unclear"
    sandbox.faults.clear()
    assert outcome(services, reservation_id) == "sent"
    assert sent(account, reservation_id) == [BODY]


@pytest.mark.parametrize("oddity", ["one-more", "text-count", "no-count"])
def test_a_count_that_is_odd_stops_no_message(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, oddity: str
) -> None:
    sandbox.faults.update(send_unclear="500", odd_answers={THREAD: oddity})
    assert outcome(services, reservation_id) == "sent"
    assert sent(account, reservation_id) == [BODY]


# Asking for it to be sent again


def test_within_the_patience_nothing_is_sent_again_and_the_time_to_wait_is_named(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    in_doubt(services, account, reservation_id, database_url)
    with pytest.raises(MessageNotSent, match=r"will be taken in \d+ s") as raised:
        send_message(services, Wish("key", reservation_id, BODY, resend=True))
    assert raised.value.status == "too_early"
    assert raised.value.retry_after is not None
    assert 400 < raised.value.retry_after <= 600
    assert sandbox.counters.calls()[SENDS] == 0


def test_asked_to_send_again_it_finds_what_has_arrived(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    in_doubt(services, account, reservation_id, database_url)
    by_mail(account, reservation_id, BODY)
    long_ago(database_url)
    assert outcome(services, reservation_id, resend=True) == "sent"
    assert sandbox.counters.calls()[SENDS] == 0


def test_many_that_ask_for_it_at_once_send_it_again_once(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    in_doubt(services, account, reservation_id, database_url)
    long_ago(database_url)
    with ThreadPoolExecutor(6) as pool:
        outcomes = set(pool.map(lambda _: outcome(services, reservation_id, resend=True), range(6)))
    assert "sent" in outcomes <= {"sent", "busy", "too_early"}
    assert sandbox.counters.calls()[SENDS] == 1
    assert sent(account, reservation_id) == [BODY]


def test_a_refused_repetition_leaves_in_doubt_what_was_in_doubt(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    in_doubt(services, account, reservation_id, database_url)
    long_ago(database_url)
    sandbox.limits.update(sends=0, send_window=0.1)
    assert outcome(services, reservation_id, resend=True) == "unclear"
    sandbox.limits.update(sends=None)
    assert outcome(services, reservation_id) == "unclear"
    by_mail(account, reservation_id, BODY)
    assert outcome(services, reservation_id, resend=True) == "sent"
    assert sent(account, reservation_id) == [BODY]
