"""Sent once, whatever dies and however late Hostaway accepts: the fence decides, and the reported status is true."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from hostaway_pipeline.errors import MessageNotSent
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.sending.send import SendRequest, send_message
from tests.factories import OpenServices, rows
from tests.integration.sending.steps import (
    ACCOUNT,
    BODY,
    SENDS,
    added,
    by_mail,
    cut_all_connections,
    in_doubt,
    is_blocked,
    leases,
    locked_outbox,
    long_ago,
    outcome,
    pause_sends,
    sent,
    sent_status,
)
from tests.waiting import wait_until

# The three ways of sending twice


def test_a_sender_that_loses_its_connections_while_it_waits_and_its_retry_send_one_message(
    services: Services,
    open_services: OpenServices,
    sandbox: SandboxServer,
    account: Account,
    reservation_id: int,
    database_url: str,
) -> None:
    assert outcome(services, reservation_id, "earlier") == "sent"
    pause_sends(services, 4.0)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(outcome, services, reservation_id)
        wait_until(lambda: bool(leases(database_url)))
        cut_all_connections(database_url)
        rows(database_url, "UPDATE hostaway.outbound_messages SET claimed_until = NULL RETURNING 1")
        # A caller of its own: connections that were cut a moment ago fail once.
        second = pool.submit(outcome, open_services(sandbox), reservation_id)
    assert "sent" in {first.result(), second.result()} <= {"sent", "busy"}
    assert sandbox.counters.calls()[SENDS] == 2, "only the fence keeps them apart"
    assert len(sent(account, reservation_id)) == 2


@pytest.mark.parametrize("options", [{"read_timeout": 1.0}])
def test_a_message_that_hostaway_accepts_late_is_not_sent_again_and_is_found_later(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int
) -> None:
    """It arrives after the sender has stopped looking, and after a caller who repeats at once has looked."""
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


def test_callers_with_one_key_in_many_processes_send_one_message(
    services: Services, open_services: OpenServices, sandbox: SandboxServer, account: Account, reservation_id: int
) -> None:
    receivers = [services, *(open_services(sandbox) for _ in range(3))]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: outcome(receivers[number % 4], reservation_id), range(8)))
    assert "sent" in set(outcomes) <= {"sent", "busy"}
    assert sandbox.counters.calls()[SENDS] == 1
    assert sent(account, reservation_id) == [BODY]


def test_a_send_in_flight_makes_others_busy_and_takes_no_slot_from_them(
    services: Services, sandbox: SandboxServer, reservation_id: int, database_url: str
) -> None:
    assert outcome(services, reservation_id, "earlier") == "sent"
    pause_sends(services, 4.0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(outcome, services, reservation_id)
        wait_until(lambda: bool(leases(database_url)))
        assert [outcome(services, reservation_id) for _ in range(3)] == ["busy"] * 3
    assert first.result() == "sent"
    query = "SELECT cardinality(slots) AS n FROM hostaway.rate_scopes WHERE scope = %s"
    [turns] = rows(database_url, query, f"send:{ACCOUNT}")
    assert turns["n"] == 2


def test_of_many_senders_that_saw_the_same_state_one_passes_the_fence(
    services: Services, reservation_id: int, account: Account
) -> None:
    seen = added(services, account, reservation_id)
    with ThreadPoolExecutor(8) as pool:
        begun = [one for one in pool.map(lambda _: services.outbox.begin(seen, {1}, patience=600), range(16)) if one]
    assert [(one.status, one.attempts, one.ids_before) for one in begun] == [("sending", 1, [1])]


def test_a_sender_that_waited_long_is_not_treated_as_a_request_to_send_again(
    services: Services, reservation_id: int, account: Account, database_url: str
) -> None:
    seen = added(services, account, reservation_id)
    in_doubt(services, account, reservation_id, database_url)
    long_ago(database_url)
    assert services.outbox.begin(seen, set(), patience=600) is None
    now = services.outbox.find("key")
    assert now is not None
    assert services.outbox.begin(now, set(), patience=7200) is None
    assert services.outbox.begin(now, set(), patience=600) is not None


def test_a_refused_token_is_an_attempt_of_its_own(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int
) -> None:
    """The conversation is read with a token that is refused by the time of the request."""
    sandbox.faults.update(revoke_after=1)
    message = send_message(services, SendRequest("key", reservation_id, BODY))
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


# Requests to send again


def test_within_the_patience_nothing_is_sent_again_and_the_answer_says_how_long_to_wait(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    in_doubt(services, account, reservation_id, database_url)
    with pytest.raises(MessageNotSent, match=r"will be accepted in \d+ s") as raised:
        send_message(services, SendRequest("key", reservation_id, BODY, resend=True))
    assert raised.value.status == "too_early"
    assert raised.value.retry_after is not None
    assert 400 < raised.value.retry_after <= 600
    assert sandbox.counters.calls()[SENDS] == 0


def test_a_request_to_send_again_finds_a_message_that_has_arrived(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    in_doubt(services, account, reservation_id, database_url)
    by_mail(account, reservation_id, BODY)
    long_ago(database_url)
    assert outcome(services, reservation_id, resend=True) == "sent"
    assert sandbox.counters.calls()[SENDS] == 0


def test_a_message_that_arrives_while_the_second_attempt_waits_for_its_slot_is_found(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    assert outcome(services, reservation_id, "earlier") == "sent"
    in_doubt(services, account, reservation_id, database_url)
    long_ago(database_url)
    pause_sends(services, 4.0)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(outcome, services, reservation_id, resend=True)
        wait_until(lambda: bool(leases(database_url)))
        by_mail(account, reservation_id, BODY)
    assert second.result() == "sent"
    assert sandbox.counters.calls()[SENDS] == 1


def test_concurrent_requests_to_send_again_send_once(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    in_doubt(services, account, reservation_id, database_url)
    long_ago(database_url)
    with ThreadPoolExecutor(6) as pool:
        outcomes = set(pool.map(lambda _: outcome(services, reservation_id, resend=True), range(6)))
    assert "sent" in outcomes <= {"sent", "busy", "too_early"}
    assert sandbox.counters.calls()[SENDS] == 1
    assert sent(account, reservation_id) == [BODY]


def test_a_refused_second_attempt_leaves_the_first_in_doubt(
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
