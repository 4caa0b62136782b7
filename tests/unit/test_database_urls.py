"""URLs of databases: one in which part of a password would be read as something that is shown is refused."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.urls import libpq_environment, sibling_url, with_driver

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
