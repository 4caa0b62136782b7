"""What the store's tests share."""

from typing import Any

import pytest

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import Inbox
from tests.factories import rows
from tests.integration.store.version_steps import Put, merge_into


@pytest.fixture
def inbox(url: str, database: Database) -> Inbox:
    """The inbox of two active accounts, 1 and 2."""
    return Inbox(database)


@pytest.fixture
def url(database_url: str) -> str:
    """A database with two active accounts, 1 and 2."""
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1), (2) RETURNING 1")
    return database_url


@pytest.fixture
def put(url: str, database: Database) -> Put:
    """Merges payloads into account 1, as one read in a transaction of its own."""

    def merge_payloads(*payloads: dict[str, Any], **options: Any) -> None:
        database.run(lambda connection: merge_into(connection, *payloads, **options))

    return merge_payloads
