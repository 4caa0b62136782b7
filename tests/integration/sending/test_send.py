"""Sending: once per idempotency key whatever happens, within Hostaway's limits, and stored at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hostaway_pipeline.errors import MessageNotSent, RateLimited, ServerError
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.outbox import OutboundMessage
from hostaway_pipeline.sync.sending.send import SendRequest, send_message
from tests.factories import (
    OpenAccount,
    OpenSandbox,
    OpenServices,
    add_account,
    assert_equal_to_source,
    orphans,
    rows,
    synced,
)
from tests.waiting import in_the_background, wait_until

ACCOUNT = 59808
SENDS = "POST /v1/conversations/{id}/messages"
BODY = "The key is under the mat."


def conversation_id(account: Account, reservation_id: int) -> int:
    return account.threads_of(reservation_id)[0].id


def wish(reservation_id: int, key: str = "key", body: str = BODY, **changes: Any) -> SendRequest:
    return SendRequest(key, reservation_id, body, **changes)


def sent_bodies(account: Account) -> list[str]:
    """The bodies of all messages sent through the API."""
    return [payload["body"] for payload in account.truth("messages") if payload["sentUsingHostaway"] == 1
            and payload["body"] in (BODY, "Another text")]  # fmt: skip


def left_behind(services: Services, account: Account, reservation_id: int) -> OutboundMessage:
    """Record what a process leaves behind that was killed between its request and the answer."""
    message = services.outbox.add(
        "key",
        account_id=ACCOUNT,
        reservation_id=reservation_id,
        conversation_id=conversation_id(account, reservation_id),
        body=BODY,
        communication_type="email",
    )
    held = {one.id for one in account.threads_of(reservation_id)[0].messages}
    begun = services.outbox.begin(message, held, patience=600)
    assert begun is not None
    return begun


def long_ago(url: str) -> None:
    """Age the attempt beyond the patience."""
    rows(url, "UPDATE hostaway.outbound_messages SET attempted_at = attempted_at - interval '1 hour' RETURNING 1")


# The ordinary case


def test_a_message_reaches_the_reservations_conversation(
    services: Services, account: Account, reservation_id: int
) -> None:
    sent = send_message(services, wish(reservation_id, channel="channel"))
    assert (sent.status, sent.attempts, sent.error) == ("sent", 1, None)
    message = account.message(conversation_id(account, reservation_id), sent.message_id or 0)
    assert (message.body, message.communication_type, message.is_incoming) == (BODY, "channel", False)


def test_a_sent_message_is_stored_at_once_and_moves_its_conversations_marker(
    sandbox: SandboxServer, services: Services, account: Account, reservation_id: int, database_url: str
) -> None:
    sent = send_message(services, wish(reservation_id))
    stored = rows(database_url, "SELECT * FROM hostaway.messages WHERE id = %s", sent.message_id)[0]
    assert (stored["body"], stored["conversation_id"], stored["status"]) == (BODY, sent.conversation_id, "sent")
    marker = "SELECT message_sent_at FROM hostaway.conversations WHERE id = %s"
    assert rows(database_url, marker, sent.conversation_id)[0]["message_sent_at"] == stored["sent_at"]
    for entity in ("messages", "conversations"):
        assert entity in {labels[1] for name, labels in flushed(services) if name == "records" and labels[0] == "push"}
    synced(services, ACCOUNT, mode="reconcile")
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def flushed(services: Services) -> Any:
    services.telemetry.flush()
    return services.telemetry.totals()


def test_the_message_shows_in_the_thread_of_its_reservation(
    services: Services, reservation_id: int, database_url: str
) -> None:
    send_message(services, wish(reservation_id))
    thread = "SELECT raw_messages FROM hostaway.message_threads WHERE reservation_id = %s"
    assert rows(database_url, thread, reservation_id)[0]["raw_messages"][-1]["body"] == BODY


# Once per key


def test_a_repeated_key_sends_nothing_again(sandbox: SandboxServer, services: Services, reservation_id: int) -> None:
    first = send_message(services, wish(reservation_id))
    sandbox.counters.reset()
    assert send_message(services, wish(reservation_id)) == first
    assert sandbox.counters.total == 0


def test_a_key_belongs_to_one_message(services: Services, account: Account, reservation_id: int) -> None:
    send_message(services, wish(reservation_id))
    others = [
        wish(reservation_id, body="Another text"),
        wish(reservation_id + 1),
        wish(reservation_id, channel="sms"),
        wish(reservation_id, account_id=70001),
    ]
    for other in others:
        with pytest.raises(MessageNotSent) as raised:
            send_message(services, other)
        assert raised.value.status == "mismatch"
    assert sent_bodies(account) == [BODY]


def test_two_keys_are_two_messages_even_with_the_same_text(
    services: Services, account: Account, reservation_id: int
) -> None:
    ids = {send_message(services, wish(reservation_id, key)).message_id for key in ("one", "two")}
    assert len(ids) == 2
    assert sent_bodies(account) == [BODY, BODY]


def test_concurrent_callers_with_one_key_send_one_message(
    services: Services, account: Account, reservation_id: int
) -> None:
    def send(_: int) -> str:
        try:
            return send_message(services, wish(reservation_id)).status
        except MessageNotSent as error:
            return error.status

    with ThreadPoolExecutor(5) as pool:
        outcomes = set(pool.map(send, range(5)))
    assert "sent" in outcomes <= {"sent", "busy"}
    assert sent_bodies(account) == [BODY]


# Unclear answers


@pytest.mark.parametrize(
    ("how", "options"), [("cut", {}), ("hang", {"read_timeout": 1.0}), ("500", {})], ids=["cut", "hang", "500"]
)
def test_a_message_whose_answer_is_unclear_is_found_and_not_sent_again(
    sandbox: SandboxServer, services: Services, account: Account, reservation_id: int, database_url: str, how: str
) -> None:
    sandbox.faults.update(send_unclear=how)
    sent = send_message(services, wish(reservation_id))
    assert (sent.status, sent.attempts) == ("sent", 1)
    assert sent_bodies(account) == [BODY]
    assert rows(database_url, "SELECT body FROM hostaway.messages WHERE id = %s", sent.message_id) == [{"body": BODY}]
    assert send_message(services, wish(reservation_id)) == sent
    wait_until(lambda: sandbox.counters.in_flight == 0)
    assert sandbox.counters.calls()[SENDS] == 1


def test_a_message_with_an_unknown_outcome_is_unclear_and_sent_again_only_on_request(
    sandbox: SandboxServer, services: Services, account: Account, reservation_id: int, database_url: str
) -> None:
    sandbox.faults.update(send_unclear="lost")
    for _ in range(2):
        with pytest.raises(MessageNotSent, match="Ask again with the same Idempotency-Key, which only looks") as raised:
            send_message(services, wish(reservation_id))
        assert raised.value.status == "unclear"
    sandbox.faults.clear()
    long_ago(database_url)
    with pytest.raises(MessageNotSent, match="With `resend`, which will be accepted now"):
        send_message(services, wish(reservation_id))
    assert sandbox.counters.calls()[SENDS] == 1
    sent = send_message(services, wish(reservation_id, resend=True))
    assert (sent.status, sent.attempts, sent.error) == ("sent", 2, None)
    assert sent_bodies(account) == [BODY]


def test_a_hostaway_that_is_down_was_not_asked_to_send(
    sandbox: SandboxServer, services: Services, account: Account, reservation_id: int
) -> None:
    sandbox.faults.update(down=True)
    with pytest.raises(ServerError):
        send_message(services, wish(reservation_id))
    sandbox.faults.clear()
    sent = send_message(services, wish(reservation_id))
    assert (sent.status, sent.attempts, sent.error) == ("sent", 1, None)
    assert sent_bodies(account) == [BODY]


@pytest.mark.parametrize("before", ["through us", "by hand"])
def test_an_earlier_message_with_the_same_text_is_not_mistaken_for_it(
    sandbox: SandboxServer, services: Services, account: Account, reservation_id: int, database_url: str, before: str
) -> None:
    """A second thank-you within five minutes does not count as sent because the first one was."""
    if before == "through us":
        send_message(services, wish(reservation_id, "earlier"))
    else:
        account.add_message(conversation_id(account, reservation_id), BODY, False, sent_using_hostaway=True)
        synced(services, ACCOUNT, mode="reconcile")
    left_behind(services, account, reservation_id)
    long_ago(database_url)
    sent = send_message(services, wish(reservation_id, resend=True))
    assert sent.status == "sent"
    assert sent_bodies(account) == [BODY, BODY]


def test_the_guests_own_message_is_not_mistaken_for_it(
    services: Services, account: Account, reservation_id: int, database_url: str
) -> None:
    left_behind(services, account, reservation_id)
    long_ago(database_url)
    account.add_message(conversation_id(account, reservation_id), BODY, is_incoming=True)
    send_message(services, wish(reservation_id, resend=True))
    assert sent_bodies(account) == [BODY]


def test_line_endings_that_hostaway_changed_do_not_hide_it(
    services: Services, account: Account, reservation_id: int, database_url: str
) -> None:
    message = left_behind(services, account, reservation_id)
    rows(database_url, "UPDATE hostaway.outbound_messages SET body = %s RETURNING 1", "The key is\n under the mat. ")
    account.add_message(message.conversation_id, BODY, False, sent_using_hostaway=True)
    sent = send_message(services, wish(reservation_id, body="The key is\n under the mat. "))
    assert (sent.status, sent.attempts) == ("sent", 1)


# A crash between the attempt and the answer


def test_after_a_crash_a_message_that_was_sent_is_found(
    services: Services, account: Account, reservation_id: int
) -> None:
    message = left_behind(services, account, reservation_id)
    account.add_message(message.conversation_id, BODY, False, sent_using_hostaway=True)
    sent = send_message(services, wish(reservation_id))
    assert (sent.status, sent.attempts) == ("sent", 1)
    assert sent_bodies(account) == [BODY]


def test_after_a_crash_a_message_that_was_not_sent_is_sent_on_request(
    services: Services, account: Account, reservation_id: int, database_url: str
) -> None:
    left_behind(services, account, reservation_id)
    long_ago(database_url)
    sent = send_message(services, wish(reservation_id, resend=True))
    assert (sent.status, sent.attempts) == ("sent", 2)
    assert sent_bodies(account) == [BODY]


def test_a_message_that_hostaway_is_still_processing_is_waited_for(
    services: Services, account: Account, reservation_id: int
) -> None:
    """The sender has just died, but its request goes on: the message appears half a second later."""
    message = left_behind(services, account, reservation_id)

    def arrive_late() -> None:
        time.sleep(0.4)
        account.add_message(message.conversation_id, BODY, False, sent_using_hostaway=True)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(arrive_late)
        sent = send_message(services, wish(reservation_id))
    assert (sent.status, sent.attempts) == ("sent", 1)
    assert sent_bodies(account) == [BODY]


# The recipient


def test_a_conversation_that_is_not_stored_is_found_at_hostaway_and_stored(
    services: Services, account: Account, database_url: str
) -> None:
    added = account.add_reservation()
    conversation = account.add_conversation(added["id"])
    sent = send_message(services, wish(added["id"]))
    assert (sent.conversation_id, sent.status) == (conversation["id"], "sent")
    assert orphans(database_url) == 0


def test_of_several_conversations_the_one_in_which_the_guest_wrote_last_is_used(
    services: Services, account: Account, reservation_id: int
) -> None:
    second = account.add_conversation(reservation_id)
    account.add_message(second["id"], "I write here now", is_incoming=True)
    synced(services, ACCOUNT, mode="reconcile")
    assert send_message(services, wish(reservation_id)).conversation_id == second["id"]


def test_a_reservation_that_no_account_has_is_unknown(services: Services) -> None:
    with pytest.raises(MessageNotSent, match="no account has reservation 123") as raised:
        send_message(services, wish(123))
    assert raised.value.status == "unknown"


def test_a_reservation_without_a_conversation_cannot_be_written_to(services: Services, account: Account) -> None:
    added = account.add_reservation()
    with pytest.raises(MessageNotSent, match="no conversation to write to") as raised:
        send_message(services, wish(added["id"]))
    assert raised.value.status == "unknown"


def test_a_reservation_id_that_two_accounts_have_needs_an_account_id(
    open_sandbox: OpenSandbox, open_services: OpenServices
) -> None:
    sandbox = open_sandbox(f"{ACCOUNT}:1:5", "70001:1:5", send_limit=None)
    services = open_services(sandbox)
    for account_id in (ACCOUNT, 70001):
        add_account(services, account_id)
        synced(services, account_id)
    first, second = (sandbox.world.account(account_id) for account_id in (ACCOUNT, 70001))
    shared = next(
        one["reservationId"] for one in first.truth("conversations") if one["reservationId"] in second.reservations
    )
    with pytest.raises(MessageNotSent, match=r"accounts \[59808, 70001\]") as raised:
        send_message(services, wish(shared))
    assert raised.value.status == "ambiguous"
    assert send_message(services, wish(shared, account_id=70001)).account_id == 70001
    assert (sent_bodies(first), sent_bodies(second)) == ([], [BODY])


def test_a_message_that_hostaway_refuses_has_failed_and_may_be_repeated(
    services: Services, account: Account, reservation_id: int
) -> None:
    thread = account.conversations[conversation_id(account, reservation_id)]
    account.delete_conversation(thread.id)
    with pytest.raises(MessageNotSent, match="HTTP 404") as raised:
        send_message(services, wish(reservation_id))
    assert raised.value.status == "failed"
    account.conversations[thread.id] = thread
    assert send_message(services, wish(reservation_id)).status == "sent"
    assert sent_bodies(account) == [BODY]


# Hostaway's limits


def test_a_429_for_a_send_delays_sends_but_not_reads(open_account: OpenAccount, database_url: str) -> None:
    """Another system sends for this account, too."""
    sandbox, services = open_account(f"{ACCOUNT}:2:10", send_limit=0, send_window=2.0)
    synced(services, ACCOUNT)
    account = sandbox.world.account(ACCOUNT)
    reservations = [one["reservationId"] for one in account.truth("conversations") if one["reservationId"]][:3]

    def send_all() -> None:
        for number, one in enumerate(reservations):
            assert send_message(services, wish(one, f"key-{number}")).status == "sent"

    with in_the_background(send_all):
        wait_until(lambda: sandbox.counters.http_429 >= 1)
        sandbox.limits.update(sends=None)
    paused = "SELECT scope FROM hostaway.rate_scopes WHERE paused_until IS NOT NULL"
    assert rows(database_url, paused) == [{"scope": f"send:{ACCOUNT}"}]
    assert len(sent_bodies(account)) == 3


def test_a_message_that_was_refused_to_the_end_was_not_sent_and_may_be_repeated(
    sandbox: SandboxServer, services: Services, account: Account, reservation_id: int
) -> None:
    sandbox.limits.update(sends=0, send_window=0.1)
    with pytest.raises(RateLimited):
        send_message(services, wish(reservation_id))
    waiting = services.outbox.find("key")
    assert waiting is not None
    assert waiting.status == "pending"
    sandbox.limits.update(sends=None)
    sandbox.counters.reset()
    assert send_message(services, wish(reservation_id)).status == "sent"
    assert sandbox.counters.total == 2, "it was surely not sent: what is there is noted, and nothing looked for"
    assert sent_bodies(account) == [BODY]
