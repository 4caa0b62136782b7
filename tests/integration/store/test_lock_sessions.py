"""The connection of a lock goes back to the pool without the lock, or not at all."""

import pytest

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.locks import account_lock
from tests.factories import rows

_LOCKS = "SELECT pid, objid FROM pg_locks WHERE locktype = 'advisory' AND granted"
_CUT = f"SELECT pg_terminate_backend(pid, 5000) FROM ({_LOCKS}) AS held"


def holder(url: str) -> int:
    (held,) = rows(url, _LOCKS)
    return int(held["pid"])


def test_the_next_lock_finds_the_connection_of_the_last_one(database: Database, database_url: str) -> None:
    with account_lock(database, 1):
        first = holder(database_url)
    assert rows(database_url, _LOCKS) == []
    with account_lock(database, 2):
        assert holder(database_url) == first


def test_a_lock_whose_holder_fails_is_released(database: Database, database_url: str) -> None:
    with pytest.raises(KeyError), account_lock(database, 1):
        raise KeyError
    assert rows(database_url, _LOCKS) == []


def test_a_connection_that_was_cut_does_not_go_back(database: Database, database_url: str) -> None:
    with account_lock(database, 1):
        rows(database_url, _CUT)
    for _ in range(2):
        with account_lock(database, 1):
            assert holder(database_url)
