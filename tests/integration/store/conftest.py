"""What the store's tests share."""

import pytest

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import Inbox
from tests.factories import rows


@pytest.fixture
def inbox(database: Database, database_url: str) -> Inbox:
    """The inbox of two active accounts, 1 and 2."""
    for account_id in (1, 2):
        rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (%s) RETURNING 1", account_id)
    return Inbox(database)
