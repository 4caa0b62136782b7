"""Frames of analysts: types, exactness, filters and errors, on tables made for the purpose."""

from datetime import date
from decimal import Decimal

import pandas as pd
import psycopg
import pytest

from hostaway_pipeline import frames
from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable, ModelsMissing
from hostaway_pipeline.store.urls import with_driver

_TABLES = """
CREATE SCHEMA core; CREATE SCHEMA marts;
CREATE TABLE core.booking (
    account_id bigint NOT NULL, booking_id bigint NOT NULL, guest_count integer, channel text, arrival_date date,
    total_price numeric, is_paid boolean, booked_at timestamptz
);
INSERT INTO core.booking VALUES
    (1, 9007199254740993, NULL, 'airbnb', '2026-06-30', 0.1, true, '2026-01-31 23:30:00.25+00'),
    (1, 2, 3, '', '2026-07-01', 12345678901234567890.12345, false, NULL),
    (2, 3, 4, NULL, NULL, NULL, NULL, '2026-02-01 10:00:00+02'),
    (2, 4, 4, E'NA "é", \\n\\\\', '2026-07-02', 0.1, NULL, NULL);
CREATE TABLE marts.fct_reservation_nights (account_id bigint NOT NULL, stay_date date NOT NULL, rent numeric);
INSERT INTO marts.fct_reservation_nights SELECT 1, date '2026-07-01' + n, n::numeric / 3 FROM generate_series(0, 99) n;
CREATE TABLE marts.kpi_account_month (
    account_id bigint, month date, response_minutes_median double precision, version bigint
);
"""


@pytest.fixture
def url(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        connection.execute(_TABLES)
    return database_url


def test_columns_have_types(url):
    found = frames.bookings(url)
    assert found.dtypes.astype(str).to_dict() == {
        "account_id": "Int64",
        "booking_id": "Int64",
        "guest_count": "Int64",
        "channel": "str",
        "arrival_date": "datetime64[s]",
        "total_price": "object",
        "is_paid": "boolean",
        "booked_at": "datetime64[us, UTC]",
    }


def test_values_are_exact(url):
    found = frames.bookings(url)
    assert list(found["booking_id"]) == [9007199254740993, 2, 3, 4]
    assert list(found["total_price"].dropna()) == [
        Decimal("0.1"),
        Decimal("12345678901234567890.12345"),
        Decimal("0.1"),
    ]
    assert found["total_price"][2] is None
    assert found["total_price"].sum() == Decimal("12345678901234567890.32345")
    assert found["booked_at"][0] == pd.Timestamp("2026-01-31 23:30:00.25", tz="UTC")
    assert found["booked_at"][2] == pd.Timestamp("2026-02-01 08:00:00", tz="UTC")
    assert found["arrival_date"][0] == pd.Timestamp("2026-06-30")


def test_null_is_no_empty_text(url):
    channels = frames.bookings(url)["channel"]
    assert list(channels.isna()) == [False, False, True, False]
    assert list(channels[[1, 3]]) == ["", 'NA "é", \n\\']


def test_null_is_missing_in_every_type(url):
    found = frames.bookings(url).loc[2]
    assert list(found.index[found.isna()]) == ["channel", "arrival_date", "total_price", "is_paid"]


def test_of_an_account_and_of_days(url):
    assert list(frames.bookings(url, account_id=2)["booking_id"]) == [3, 4]
    assert list(frames.bookings(url, first=date(2026, 7, 1))["booking_id"]) == [2, 4]
    assert list(frames.bookings(url, last="2026-07-01", account_id=1)["booking_id"]) == [9007199254740993, 2]
    found = frames.nights(url, first="2026-07-03", last=date(2026, 7, 4))
    assert list(found["stay_date"].dt.day) == [3, 4]


def test_no_rows_have_types_too(url):
    found = frames.kpis("account_month", url)
    assert len(found) == 0
    assert list(found.dtypes.astype(str)) == ["Int64", "datetime64[s]", "Float64"]
    assert frames.bookings(url, account_id=9).dtypes.equals(frames.bookings(url).dtypes)


def test_many_rows_arrive_in_parts(url):
    with psycopg.connect(url) as connection:
        many = "SELECT 3, date '2000-01-01' + n % 5000, n FROM generate_series(1, 200000) n"
        connection.execute(f"INSERT INTO marts.fct_reservation_nights {many}".encode())
    found = frames.nights(url, account_id=3)
    assert len(found) == 200_000
    assert found["rent"].sum() == sum(range(200_001))


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql+psycopg2"])
def test_a_url_of_sqlalchemy_is_understood(url, scheme):
    assert len(frames.bookings(with_driver(url, scheme))) == 4


def test_the_configured_database_is_the_default(url, monkeypatch):
    monkeypatch.setenv("HOSTAWAY_DATABASE_URL", url)
    monkeypatch.setenv("HOSTAWAY_EGRESS", "tests")
    assert len(frames.bookings()) == 4


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"account_id": "1; DROP SCHEMA core"}, TypeError),
        ({"account_id": 1.5}, TypeError),
        ({"first": "2026-07-01' OR true --"}, ValueError),
        ({"last": "yesterday"}, ValueError),
    ],
)
def test_what_is_no_number_or_date_never_reaches_the_database(url, arguments, error):
    with pytest.raises(error):
        frames.bookings(url, **arguments)


def test_an_unknown_table_is_refused(url):
    with pytest.raises(ValueError, match="not a KPI table: 'x'; there are listing_month, .* conversion"):
        frames.kpis("x", url)


def test_before_the_first_build(url, database_url):
    with pytest.raises(ModelsMissing, match=r"^marts.kpi_channel_month does not exist yet: run `hostaway marts build`"):
        frames.kpis("channel_month", url)


def test_a_database_that_does_not_answer():
    with pytest.raises(DatabaseUnavailable, match="Postgres cannot be reached") as caught:
        frames.bookings("postgresql://analyst:secret@127.0.0.1:1/hostaway")
    assert "secret" not in str(caught.value)


def test_a_url_that_is_none():
    with pytest.raises(ConfigurationError, match="a database URL is of the form"):
        frames.bookings("hostaway")


def test_a_reader_writes_nothing(url):
    """Even as the owner: a notebook's connection is read-only."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SEQUENCE counted")
        connection.execute("CREATE VIEW marts.kpi_channel_month AS SELECT 1 AS account_id, nextval('counted') AS n")
    with pytest.raises(DatabaseUnavailable, match="read-only"):
        frames.kpis("channel_month", url)
