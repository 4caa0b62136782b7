"""domain/entities.py and store/schema/entities.py describe the same columns: neither may move without the other."""

import pytest
from sqlalchemy import ARRAY, BigInteger, Boolean, Date, DateTime, Numeric, Text

from hostaway_pipeline.domain import calendar
from hostaway_pipeline.domain.entities import ENTITIES, as_unit_listing_ids
from hostaway_pipeline.domain.values import as_bool, as_date, as_decimal, as_instant, as_int, as_length, as_text
from hostaway_pipeline.store.schema import ENTITY_TABLES, calendar_days

TYPES = {
    as_int: BigInteger,
    as_text: Text,
    as_decimal: Numeric,
    as_bool: Boolean,
    as_date: Date,
    as_instant: DateTime,
    as_length: BigInteger,
    as_unit_listing_ids: ARRAY,
}
# Every entity table carries these; merge fills them, no payload does.
OURS = {
    "account_id",
    "id",
    "customer_id",
    "raw_payload",
    "content_hash",
    "source_updated_at",
    "read_at",
    "unsettled_at",
    "created_at",
    "updated_at",
    "deleted_at",
}
# The merge fills these of more than a payload, or reads are recorded in them.
DERIVED = {
    "listings": {"archived_at"},
    "reservations": {"guest_id", "finance_read_at", "finance_tried_at"},
    "conversations": {
        "messages_synced_at",
        "messages_reread_at",
        "messages_read_sent_at",
        "messages_read_received_at",
        "messages_read_count",
    },
}
COLUMNS = [(entity.name, column) for entity in ENTITIES.values() for column in entity.columns]


def test_every_entity_has_a_table_and_every_table_an_entity():
    assert ENTITIES.keys() == ENTITY_TABLES.keys()


@pytest.mark.parametrize("name", ENTITIES)
def test_the_table_has_the_entitys_columns_and_no_more(name):
    derived = DERIVED.get(name, set())
    assert set(ENTITY_TABLES[name].columns.keys()) == {*ENTITIES[name].columns} | OURS | derived


@pytest.mark.parametrize(("name", "column"), COLUMNS)
def test_a_columns_type_is_what_its_reader_gives(name, column):
    _, reader = ENTITIES[name].columns[column]
    assert isinstance(ENTITY_TABLES[name].columns[column].type, TYPES[reader])


@pytest.mark.parametrize(("name", "column"), COLUMNS)
def test_a_column_takes_null(name, column):
    """Any field of Hostaway's may be missing: that must not cost the row."""
    assert ENTITY_TABLES[name].columns[column].nullable


@pytest.mark.parametrize("name", ENTITIES)
def test_rows_are_keyed_by_account_first(name):
    """No payload of one account can touch a row of another."""
    assert [column.name for column in ENTITY_TABLES[name].primary_key] == ["account_id", "id"]


@pytest.mark.parametrize("name", ENTITIES)
def test_every_instant_is_stored_with_its_zone(name):
    instants = [column.type for column in ENTITY_TABLES[name].columns if isinstance(column.type, DateTime)]
    assert instants
    assert all(kind.timezone for kind in instants)


def test_the_calendars_table_has_its_columns_and_no_more():
    ours = {"account_id", "listing_id", "date", "read_at", "updated_at"}
    assert set(calendar_days.columns.keys()) == {*calendar.COLUMNS} | ours


@pytest.mark.parametrize("column", calendar.COLUMNS)
def test_a_column_of_the_calendar_has_its_readers_type_and_takes_null(column):
    _, reader = calendar.COLUMNS[column]
    assert isinstance(calendar_days.columns[column].type, TYPES.get(reader, Text))
    assert calendar_days.columns[column].nullable
