"""An interrupt in the middle of a statement stays an interrupt: it is not a failure of the database."""

import psycopg
import pytest

from hostaway_pipeline.store.database import Database, driver

INTERRUPTS = [KeyboardInterrupt, SystemExit]


def interrupt_while_busy(connection: "psycopg.Connection[object]", interrupt: type[BaseException]) -> None:
    """The rollback fails then, because the connection still waits for the statement's result."""
    connection.pgconn.send_query(b"SELECT pg_sleep(5)")
    raise interrupt


def in_transaction(database: Database, interrupt: type[BaseException]) -> None:
    with database.transaction() as connection:
        interrupt_while_busy(driver(connection), interrupt)


def in_statement(database: Database, interrupt: type[BaseException]) -> None:
    with database.statement() as cursor:
        interrupt_while_busy(cursor.connection, interrupt)


@pytest.mark.parametrize("interrupt", INTERRUPTS)
def test_an_interrupted_transaction_ends_with_the_interrupt(database: Database, interrupt: type[BaseException]) -> None:
    with pytest.raises(interrupt):
        in_transaction(database, interrupt)
    assert database.now()


@pytest.mark.parametrize("interrupt", INTERRUPTS)
def test_an_interrupted_statement_ends_with_the_interrupt(database: Database, interrupt: type[BaseException]) -> None:
    with pytest.raises(interrupt):
        in_statement(database, interrupt)
    with database.statement() as cursor:
        assert cursor.execute("SELECT 1").fetchone() == (1,)
