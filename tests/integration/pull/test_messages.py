"""Messages that arrive while conversations are read are neither lost nor mistaken for deleted."""

import time
from typing import Any

import psycopg

from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.push.drain import drain
from tests.factories import (
    OpenAccount,
    OpenSandbox,
    OpenServices,
    add_account,
    assert_equal_to_source,
    expected,
    rows,
    stored,
    synced,
)
from tests.waiting import in_the_background, wait_until

ACCOUNT = 59808
MESSAGES = "/v1/conversations/{id}/messages"
NEWEST_FIRST = (
    "SELECT id FROM hostaway.conversations ORDER BY greatest(message_sent_at, message_received_at) DESC NULLS LAST, id"
)


def arrive(services: Services, message: dict[str, Any]) -> None:
    """Deliver the message by webhook and apply it."""
    body = {"object": "conversationMessage", "event": "message.received", "accountId": ACCOUNT, "data": message}
    services.inbox.accept([(parse_delivery(body), "request-1")])
    drain(services, lambda _: None, linger=0)


def test_a_message_that_arrives_after_hostaways_answer_is_found_by_the_next_reconcile(
    open_account: OpenAccount, database_url: str
) -> None:
    """A webhook moves the marker during the read, which is complete up to the previous marker only."""
    sandbox, services = open_account(f"{ACCOUNT}:2:5")
    synced(services, ACCOUNT)
    account = sandbox.world.account(ACCOUNT)
    conversation = next(iter(account.conversations))
    account.add_message(conversation, "makes the conversation worth a read")
    synced(services, ACCOUNT, mode="reconcile", entities=("conversations",))
    sandbox.faults.hold_after = 0
    sandbox.counters.reset()
    with in_the_background(lambda: synced(services, ACCOUNT, mode="reconcile", entities=("messages",))):
        wait_until(lambda: sandbox.counters.max_in_flight > 0)
        time.sleep(0.1)  # from here on Hostaway's answer is on its way, and lacks what follows
        account.add_message(conversation, "no webhook tells of this one")
        arrive(services, account.add_message(conversation, "a webhook tells of this one"))
        sandbox.faults.hold_after = None

    synced(services, ACCOUNT, mode="reconcile")

    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_each_conversation_of_a_batch_is_judged_by_its_own_request_time(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    """A message arrives after its own conversation was requested and before the next one was: it exists, although the
    answer lacks it."""
    sandbox = open_sandbox(f"{ACCOUNT}:2:5")
    services = open_services(sandbox)
    add_account(services, ACCOUNT)
    synced(services, ACCOUNT)
    slow = open_services(sandbox, rate_limit_account="1/2", concurrency=2)

    def asked() -> int:
        return sandbox.counters.calls()[MESSAGES]

    def read_while_a_message_comes() -> bool:
        """Returns whether it came in time: this machine may be too slow in one try, but not in all of them."""
        first, second, third, *_ = (row["id"] for row in rows(database_url, NEWEST_FIRST))
        sandbox.counters.reset()
        reading = in_the_background(lambda: synced(slow, ACCOUNT, entities=("messages",), allow_mass_delete=True))
        with reading, psycopg.connect(database_url) as connection:
            # What is read first is not stored before this block ends: a batch piles up behind it.
            query = b"SELECT 1 FROM hostaway.conversations WHERE id = ANY(%s) FOR UPDATE"
            connection.execute(query, [[first, second]])
            wait_until(lambda: asked() >= 3)
            message = sandbox.world.account(ACCOUNT).add_message(third, "between two questions")
            arrive(services, message)
            is_in_time = asked() == 3
            wait_until(lambda: asked() >= 4)
            time.sleep(0.1)
        alive = "SELECT id FROM hostaway.messages WHERE deleted_at IS NULL AND id = %s"
        assert rows(database_url, alive, message["id"]), "taken for deleted by an answer that is older than it"
        assert stored(database_url, ACCOUNT, "messages") == expected(sandbox, ACCOUNT, "messages")
        return is_in_time

    assert any(read_while_a_message_comes() for _ in range(5))
    assert asked() == len(rows(database_url, NEWEST_FIRST)), "the newer message made the older answer look incomplete"
