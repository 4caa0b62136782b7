"""Removing an account deletes its rows only when that was requested."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from hostaway_pipeline.domain.calendar import days_of
from hostaway_pipeline.domain.entities import RESERVATIONS
from hostaway_pipeline.security.keyring import Keyring, generate_key
from hostaway_pipeline.store.accounts.accounts import Accounts
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import Inbox
from hostaway_pipeline.store.outbox import Outbox
from tests.factories import reservation, rows
from tests.integration.store.inbox_steps import accept, delivery

DAYS = days_of([{"date": "2026-07-01"}], expected=1)
SPAN = (date(2026, 7, 1), date(2026, 7, 31))


@pytest.mark.parametrize("hard", [True, False])
def test_only_a_hard_removal_deletes_the_accounts_rows(
    inbox: Inbox, database: Database, database_url: str, hard: bool
) -> None:
    accept(inbox, delivery(1), delivery(1, account_id=2))
    outbox = Outbox(database)
    for account_id in (1, 2):
        outbox.add(f"key-{account_id}", account_id=account_id, reservation_id=1, conversation_id=1, body="Hello",
                   communication_type="email")  # fmt: skip
        row = RESERVATIONS.row(reservation())
        assert row is not None
        PullWriter(database, Owner(account_id, UUID(int=7))).merge(RESERVATIONS, [row])

        PullWriter(database, Owner(account_id, UUID(int=7))).write_days(40, DAYS, SPAN, read_at=datetime.now(UTC))

    Accounts(database, Keyring.parse(f"k:{generate_key()}")).remove(1, hard=hard)

    for table in ("webhook_events", "webhook_heads", "outbound_messages", "reservations", "calendar_days"):
        left = rows(database_url, f"SELECT account_id FROM hostaway.{table} ORDER BY account_id")
        assert [row["account_id"] for row in left] == ([2] if hard else [1, 2]), table
