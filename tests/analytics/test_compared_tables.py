"""`compared` tables: a build writes what differs from the source, and leaves alone what analysts made of a table."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.analytics.accounts import opened
from tests.analytics.conftest import PROJECT, Models, contents, tables


@pytest.fixture(scope="module")
def models(new_database: Callable[[], str], target: Path) -> Models:
    url = new_database()
    with opened(url, "59808:6:60", "59809:3:30", seed=10) as accounts:
        for account_id in accounts.all:
            accounts.sync(account_id, calendar=account_id == 59808)
    models = Models(url, target)
    models.build()
    models.execute("CREATE SCHEMA analysts")
    return models


def versions(models: Models) -> dict[str, list[tuple[str, str]]]:
    """Where each row of every table is stored and which transaction wrote it."""
    query = "SELECT ctid::text, xmin::text FROM {} ORDER BY 1"
    return {name: models.rows(query.format(name)) for name in tables(models)}  # type: ignore[misc]


def change_source(models: Models) -> None:
    """A cancellation, a tombstone, a return, a move of the zone, a change committed late, an account removed."""
    models.execute("""
        UPDATE hostaway.reservations SET deleted_at = NULL, updated_at = now() WHERE deleted_at IS NOT NULL;
        UPDATE hostaway.reservations SET status = 'cancelled', updated_at = now() WHERE id IN (
            SELECT id FROM hostaway.reservations WHERE status = 'new' ORDER BY id LIMIT 5);
        UPDATE hostaway.reservations SET deleted_at = now(), updated_at = now() WHERE id IN (
            SELECT id FROM hostaway.reservations WHERE status = 'new' ORDER BY id DESC LIMIT 5);
        UPDATE hostaway.reservations SET total_price = 1, updated_at = now() - interval '1 day' WHERE id IN (
            SELECT id FROM hostaway.reservations WHERE status = 'modified' ORDER BY id LIMIT 3);
        UPDATE hostaway.listings SET time_zone = 'Pacific/Kiritimati', updated_at = now() WHERE account_id = 59808;
        UPDATE hostaway.messages SET deleted_at = now(), updated_at = now() WHERE id % 7 = 0;
        DELETE FROM hostaway.accounts WHERE account_id = 59809;
    """)


def test_a_build_without_changes_writes_no_row(models):
    before = versions(models)
    assert len(before) >= 7
    models.build()
    assert versions(models) == before


def test_after_changes_the_tables_equal_a_rebuild(models):
    before = contents(models)
    models.execute("""
        INSERT INTO core.booking
        SELECT (jsonb_populate_record(b, '{"booking_id": 7}')).* FROM core.booking AS b LIMIT 1;
        DELETE FROM core.message WHERE message_id % 5 = 0;
        UPDATE core.property SET city = 'nowhere';
    """)
    change_source(models)
    models.build()
    built = contents(models)
    models.fill("--full-refresh")
    assert built == contents(models)
    assert built["core.booking"] != before["core.booking"]
    assert models.rows("SELECT count(*) FROM core.booking WHERE booking_id = 7 OR account_id = 59809") == [(0,)]
    zones = models.rows("SELECT count(*) FROM core.booking WHERE (booked_at AT TIME ZONE 'UTC')::date <> booked_on")
    assert zones[0][0] > 0


def test_views_grants_and_open_transactions_survive_builds(models):
    models.execute("""
        CREATE OR REPLACE VIEW analysts.sold AS SELECT * FROM core.booking WHERE state = 'sold';
        GRANT SELECT (booking_id) ON core.booking TO PUBLIC;
        GRANT SELECT ON core.property TO PUBLIC;
    """)
    identity = (
        "SELECT oid, relfilenode, relacl::text FROM pg_class WHERE relnamespace = 'core'::regnamespace ORDER BY 1"
    )
    before = sorted(models.rows(identity))
    with models.connect() as analyst, analyst.transaction():
        (count,) = analyst.execute("SELECT count(*) FROM analysts.sold").fetchone()  # type: ignore[misc]
        models.execute(
            "UPDATE hostaway.reservations SET status = 'cancelled', updated_at = now() WHERE id IN ("
            "SELECT booking_id FROM core.booking WHERE state = 'sold' LIMIT 3)"
        )
        models.fill()
        with Reading("SELECT count(*) FROM analysts.sold", models) as waited:
            models.fill("--full-refresh")
        assert analyst.execute("SELECT count(*) FROM analysts.sold").fetchone() == (count - 3,)
    assert waited == []
    assert sorted(models.rows(identity)) == before
    assert models.rows("SELECT count(*) FROM analysts.sold") == [(count - 3,)]


class Reading:
    """Runs a query again and again in a thread; returns the errors of those that waited for a lock."""

    def __init__(self, query: str, models: Models) -> None:
        self._query, self._models = query, models
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._waited: list[str] = []

    def _read(self) -> None:
        with self._models.connect() as connection:
            connection.execute("SET lock_timeout = '4s'")
            while not self._stop.wait(0.01):
                try:
                    connection.execute(self._query.encode())
                except psycopg.errors.LockNotAvailable as error:
                    self._waited.append(str(error))

    def __enter__(self) -> list[str]:
        self._thread.start()
        return self._waited

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def edited(models: Models, tmp_path: Path) -> Iterator[Callable[[str, str, str], None]]:
    """Edits a copy of the project, which `models` then builds; afterwards the project itself is built again."""
    target, models.project, models.target = models.target, tmp_path / "project", tmp_path / "target"
    shutil.copytree(PROJECT, models.project)
    shutil.copytree(target, models.target)  # with what is parsed already

    def edit(file: str, old: str, new: str) -> None:
        path = models.project / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    yield edit
    models.project, models.target = PROJECT, target


def test_a_new_column_is_added_and_filled_in_place(models, edited):
    models.execute("CREATE OR REPLACE VIEW analysts.threads AS SELECT conversation_id FROM core.conversation")
    before = models.rows("SELECT 'core.conversation'::regclass::oid")
    edited(
        "models/core/conversation.sql", "    has_unread_messages,", "    has_unread_messages,\n    upper(type) AS kind,"
    )
    new = "      - {name: kind, data_type: text, description: The type in capitals.}\n"
    column = "      - {name: has_unread_messages, "
    edited("models/core/_models.yml", column, new + column)
    models.build("--select", "conversation")
    assert models.rows("SELECT count(*) FILTER (WHERE kind = upper(type)) = count(*) FROM core.conversation") == [
        (True,)
    ]
    assert models.rows("SELECT 'core.conversation'::regclass::oid") == before
    assert models.rows("SELECT count(*) > 0 FROM analysts.threads") == [(True,)]
    models.execute("ALTER TABLE core.conversation DROP COLUMN kind")


def test_a_column_that_left_the_contract_is_an_error_that_names_the_way_out(models):
    models.execute("ALTER TABLE core.conversation ADD COLUMN IF NOT EXISTS kind text")
    result = models.run("build", "--select", "conversation")
    (message,) = [r.message for r in result.result if r.status == "error"]
    assert "kind is not in the contract" in message
    assert "DROP TABLE" in message
    models.execute("ALTER TABLE core.conversation DROP COLUMN kind")
    models.build("--select", "conversation")


def test_adding_a_column_does_not_make_readers_wait_for_an_open_transaction(models, edited):
    test = models.rows("SELECT count(*) FROM core.property")
    edited("models/core/property.sql", "    has_calendar,", "    has_calendar, 1 AS one,")
    column = "      - {name: has_calendar, "
    edited("models/core/_models.yml", column, "      - {name: one, data_type: integer, description: One.}\n" + column)
    with models.connect() as analyst, analyst.transaction():
        assert analyst.execute("SELECT count(*) FROM core.property").fetchall() == test
        with Reading("SELECT count(*) FROM core.property", models) as waited:
            result = models.run("build", "--select", "property")
        assert not result.success
    assert waited == []
    models.build("--select", "property")
    models.execute("ALTER TABLE core.property DROP COLUMN one")


def test_changed_code_refills_the_table(models, edited):
    edited("models/core/message.sql", "    status,\n", "    upper(status) AS status,\n")
    models.build("--select", "message")
    assert models.rows("SELECT count(*) FROM core.message WHERE status <> upper(status)") == [(0,)]


def test_a_changed_seed_reaches_what_is_built_on_it(models, edited):
    edited("seeds/reservation_states.csv", "modified,sold", "modified,tentative")
    models.fill()
    assert models.rows("SELECT DISTINCT state FROM core.booking WHERE source_status = 'modified'") == [("tentative",)]
