"""From webhooks to tables under every fault: disorder, repetition, kills, an unreachable database."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from tests.acceptance.push_stack import PushStack, push_stack
from tests.factories import OpenSandbox, expected, rows, stored, synced

CHANGES_PER_KILL = 15  # at least, however slow the machine


def change(account: Account, choice: random.Random) -> None:
    """Make one of the changes for which Hostaway sends an event."""
    kind = choice.random()
    if kind < 0.5:
        reservation_id = choice.choice(list(account.reservations))
        account.update_reservation(reservation_id, guestName=f"Guest {choice.random()}", totalPrice=choice.random())
    elif kind < 0.6:
        account.touch_reservation(choice.choice(list(account.reservations)))
    elif kind < 0.7:
        account.add_reservation(guestName="New")
    elif kind < 0.95:
        account.add_message(choice.choice(list(account.conversations)), f"Hello {choice.random()}")
    else:
        conversation = account.add_conversation(choice.choice(list(account.reservations)))
        account.add_message(conversation["id"], "A first word")


def assert_content_equals(url: str, sandbox: SandboxServer, account_id: int, but: str | None = None) -> None:
    """Compare payload by payload; of the entity `but` only the ids.

    A conversation's own markers are known only after it was read.
    """
    for entity in ENTITIES:
        found = {key: payload for key, (payload, _) in stored(url, account_id, entity).items()}
        wanted = {key: payload for key, (payload, _) in expected(sandbox, account_id, entity).items()}
        assert found.keys() == wanted.keys(), entity
        if entity != but:
            assert [key for key in wanted if found[key] != wanted[key]] == [], entity


def emitted(sandbox: SandboxServer) -> int:
    count: int = sandbox.deliveries.counts()["emitted"]
    return count


def test_thousands_of_events_repeated_and_shuffled_for_five_accounts_while_a_reconcile_runs(
    open_sandbox: OpenSandbox, embedded_folder: Path
) -> None:
    events = 3_000
    sandbox = open_sandbox(*(f"{n}:4:60" for n in range(1, 6)), webhook_time_scale=600.0)
    with push_stack(embedded_folder / "disorder", sandbox, free_port()) as stack:
        for account_id in sandbox.world.accounts:
            synced(stack.services, account_id)
        sandbox.faults.update(delivery_copies=3, delivery_shuffle_seconds=3.0, seed=5)
        choice = random.Random(3)
        accounts = list(sandbox.world.accounts.values())

        def change_until(events: int) -> None:
            while emitted(sandbox) < events:
                change(choice.choice(accounts), choice)
                if sandbox.deliveries.pending > 2_000:
                    time.sleep(0.05)

        with reconciles(stack):
            change_until(events * 2 // 3)
        change_until(events)  # what goes wrong from here on, no reconcile repairs
        stack.wait_until_applied(120)
        for account_id in sandbox.world.accounts:
            assert_content_equals(stack.url, sandbox, account_id, but="conversations")
            synced(stack.services, account_id, mode="reconcile")
            assert_content_equals(stack.url, sandbox, account_id)
        counts = rows(stack.url, "SELECT status, count(*) FROM hostaway.webhook_events GROUP BY status")
        assert {row["status"] for row in counts} <= {"applied", "stale"}


@contextmanager
def reconciles(stack: PushStack) -> Iterator[None]:
    """Reconcile one account after the other, repeatedly, until the block ends."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            for account_id in stack.sandbox.world.accounts:
                report = synced(stack.services, account_id, mode="reconcile", wait_seconds=10)
                problems.update(report.problems)

    problems: dict[str, str] = {}
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert problems == {}, "webhooks that come while a list is read must not look like a list that is wrong"


def test_twenty_kills_at_random_moments_lose_no_answered_delivery(
    open_sandbox: OpenSandbox, embedded_folder: Path
) -> None:
    """Receiver, drainer and Postgres, by SIGKILL, under load."""
    sandbox = open_sandbox("1:4:60", "2:4:60", webhook_time_scale=1200.0)
    with push_stack(embedded_folder / "kills", sandbox, free_port()) as stack:
        for account_id in sandbox.world.accounts:
            synced(stack.services, account_id)
        moments, choice = random.Random(11), random.Random(12)
        accounts = list(sandbox.world.accounts.values())
        for kill in range(20):
            until, changes = time.monotonic() + moments.uniform(0.2, 1.2), 0
            while time.monotonic() < until or changes < CHANGES_PER_KILL:
                change(choice.choice(accounts), choice)
                changes += 1
                time.sleep(0.01)
            stack.restart(("receiver", "drainer", "postgres")[kill % 3])
        stack.wait_for_receiver()
        stack.wait_until_applied(150)

        answered = {
            (account.id, log.kind, log.object_id)
            for account in accounts
            for log in account.webhooks.logged()
            if log.status == 200
        }
        heads = rows(stack.url, "SELECT account_id, object, object_id FROM hostaway.webhook_heads")
        assert len(answered) > 100
        assert answered <= {tuple(head.values()) for head in heads}
        # Retries ended before the receiver was back for some: the next reconcile repairs what was never answered.
        for account_id in sandbox.world.accounts:
            synced(stack.services, account_id, mode="reconcile")
            assert_content_equals(stack.url, sandbox, account_id)


def test_postgres_stopped_under_load_is_answered_503_and_the_retries_fill_the_gap(
    open_sandbox: OpenSandbox, embedded_folder: Path
) -> None:
    """A minute of Hostaway's time scaled down: 8 s, with its retries after 3, 12 and 36 s."""
    sandbox = open_sandbox("1:4:60", webhook_time_scale=100.0)
    account = sandbox.world.account(1)
    with push_stack(embedded_folder / "away", sandbox, free_port()) as stack:
        synced(stack.services, 1)
        choice = random.Random(4)
        stack.kill_postgres()
        until = time.monotonic() + 8
        while time.monotonic() < until or sandbox.deliveries.counts()["answers"].get("503", 0) <= 50:
            change(account, choice)
            time.sleep(0.05)
        stack.start_postgres()
        stack.wait_until_applied(90)
        assert sandbox.deliveries.counts()["failed"] == 0
        assert_content_equals(stack.url, sandbox, 1)


@pytest.mark.parametrize("share", [0.1])
def test_the_next_reconcile_repairs_undelivered_changes(
    open_sandbox: OpenSandbox, embedded_folder: Path, share: float
) -> None:
    sandbox = open_sandbox("1:4:60", webhook_time_scale=1200.0)
    account = sandbox.world.account(1)
    with push_stack(embedded_folder / "drops", sandbox, free_port()) as stack:
        synced(stack.services, 1)
        sandbox.faults.update(delivery_drop_share=share)
        choice = random.Random(9)
        for _ in range(400):
            change(account, choice)
        account.delete_reservation(next(iter(account.reservations)))
        account.delete_conversation(next(iter(account.conversations)))
        stack.wait_until_applied(60)
        assert sandbox.deliveries.counts()["dropped"] > 10
        synced(stack.services, 1, mode="reconcile")
        assert_content_equals(stack.url, sandbox, 1)
        with psycopg.connect(stack.url) as connection:
            gone = connection.execute("SELECT count(*) FROM hostaway.reservations WHERE deleted_at IS NOT NULL")
            assert gone.fetchone() == (1,)
