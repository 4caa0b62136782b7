"""URLs of databases: one in which part of a password would be read as something that is shown is refused."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.urls import address, libpq_environment, libpq_url, parse_url, sibling_url, with_driver

READERS = [Database, partial(sibling_url, name="x"), partial(with_driver, drivername="postgresql"), libpq_environment]
MISREAD = [
    "postgresql://user:open@sesame@host/db",  # "sesame@host" would be the host
    "postgresql://user:open@sesame/now@host:5/db",  # "now@host:5/db" would be the database
    "postgresql://user/name:sesame@host/db",  # "name:sesame@host/db" would be the database
    "postgresql://user:sesame",  # "sesame" would be the port
    "sesame",
]


@pytest.mark.parametrize("url", MISREAD)
@pytest.mark.parametrize("read", READERS)
def test_a_url_whose_password_would_be_shown_is_refused(read: Callable[[str], Any], url: str) -> None:
    with pytest.raises(ConfigurationError, match="%40") as caught:
        read(url)
    assert "sesame" not in str(caught.value)
    assert caught.value.__context__ is None  # the library's own text may quote the URL


@pytest.mark.parametrize("password", ["open/sesame", "open:sesame", "open?sesame", "open%40sesame", "open#sesame"])
def test_other_characters_of_a_password_are_read_as_its_own(password: str) -> None:
    environment = libpq_environment(f"postgresql://user:{password}@host:5/db")
    assert environment["PGPASSWORD"] == password.replace("%40", "@")
    assert environment["PGHOST"] == "host"


def test_an_address_in_the_query_is_kept() -> None:
    url = "postgresql://postgres@/db?host=/run/pg&port=5432"
    assert sibling_url(url, "other").startswith("postgresql://postgres@/other?host=")


TWO = "postgresql://user:secret@one:5432,two:5433/db?sslmode=verify-ca&sslrootcert=/ca.pem"


@pytest.mark.parametrize("url", [TWO, "postgresql://%2Frun%2Fpg:5433,[::1]:5432/db", "postgresql://u:p%7C@host/db"])
def test_a_url_is_given_to_others_as_libpq_writes_it(url: str) -> None:
    assert conninfo_to_dict(libpq_url(parse_url(url))) == conninfo_to_dict(url)


def test_no_program_waits_for_a_host_longer_than_the_url_says() -> None:
    assert libpq_environment("postgresql://user@host")["PGCONNECT_TIMEOUT"] == "10"
    assert libpq_environment("postgresql://user@host/db?connect_timeout=3")["PGCONNECT_TIMEOUT"] == "3"


def test_several_hosts_reach_every_command_with_all_parameters() -> None:
    environment = libpq_environment(TWO)
    assert (environment["PGHOST"], environment["PGPORT"]) == ("one,two", "5432,5433")
    assert (environment["PGSSLMODE"], environment["PGSSLROOTCERT"]) == ("verify-ca", "/ca.pem")
    assert libpq_environment(sibling_url(TWO, "dagster")) == environment | {"PGDATABASE": "dagster"}
    assert libpq_environment("postgresql://user@one,two").items() >= {"PGHOST": "one,two", "PGPORT": ","}.items()
    assert address(parse_url(TWO)) == "postgresql://one:5432,two:5433/db"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://user@host/db?foo=bar", "'foo', which Postgres does not know"),
        ("postgresql://user@host:99999/db", "from 1 to 65535"),
        ("postgresql://user@host:0/db", "from 1 to 65535"),
        ("postgresql://user@host:port/db", "is of the form"),
        ("postgresql://user@one:5432,two:port/db", "from 1 to 65535"),
    ],
)
def test_what_postgres_would_not_understand_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Database(url)
