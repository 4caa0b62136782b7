"""Recognising our message in a conversation when no answer gave its id."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from tests.integration.sending.steps import BODY, THREAD, added, age, by_mail, in_doubt, long_ago, outcome, sent


def test_a_message_with_equal_text_sent_under_another_key_is_not_mistaken_for_it(
    services: Services, account: Account, reservation_id: int, database_url: str
) -> None:
    """The first was lost; the second came after the first had read the conversation."""
    in_doubt(services, account, reservation_id, database_url, "one")
    assert outcome(services, reservation_id, "two") == "sent"
    assert outcome(services, reservation_id, "one") == "unclear"
    assert sent(account, reservation_id) == [BODY]
    arrived = by_mail(account, reservation_id, BODY)
    assert outcome(services, reservation_id, "one") == "sent"
    found = services.outbox.find("one")
    assert found is not None
    assert found.message_id == arrived, "what the other key has sent stands before it and does not hide it"


def test_of_two_unclear_messages_with_one_text_one_is_found_when_one_is_there(
    services: Services, account: Account, reservation_id: int, database_url: str
) -> None:
    for key in ("one", "two"):
        in_doubt(services, account, reservation_id, database_url, key)
    by_mail(account, reservation_id, BODY)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda key: outcome(services, reservation_id, key), ("one", "two")))
    assert sorted(outcomes) == ["sent", "unclear"]


def test_a_message_is_not_claimed_while_another_key_with_its_text_is_being_sent(
    services: Services, account: Account, reservation_id: int, database_url: str
) -> None:
    in_doubt(services, account, reservation_id, database_url, "one")
    rival = services.outbox.begin(added(services, account, reservation_id, "two"), set(), patience=600)
    assert rival is not None
    arrived = by_mail(account, reservation_id, BODY)
    assert outcome(services, reservation_id, "one") == "unclear"
    age(database_url, "1 hour", "one")
    assert outcome(services, reservation_id, "one", resend=True) == "unclear"
    assert sent(account, reservation_id) == [BODY]
    services.outbox.record_sent(rival, arrived)
    assert outcome(services, reservation_id, "one") == "unclear"
    assert outcome(services, reservation_id, "two") == "sent"


def test_an_id_from_hostaways_answer_overrides_a_claim_by_text(
    services: Services, account: Account, reservation_id: int
) -> None:
    one, two = (added(services, account, reservation_id, key) for key in ("one", "two"))
    begun = services.outbox.begin(one, set(), patience=600)
    assert begun is not None
    assert services.outbox.claim(begun, 7) is not None
    assert services.outbox.record_sent(two, 7).message_id == 7
    lost = services.outbox.find("one")
    assert lost is not None
    assert (lost.status, lost.message_id) == ("unclear", None)


def test_a_message_that_was_there_before_is_not_mistaken_for_it_even_if_no_table_has_it(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int
) -> None:
    """A person has just sent the same text by hand."""
    by_mail(account, reservation_id, BODY)
    sandbox.faults.update(send_unclear="lost")
    assert outcome(services, reservation_id) == "unclear"


def test_an_empty_answer_does_not_prove_that_a_message_is_missing(
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
