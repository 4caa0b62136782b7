"""The key file of the embedded database: an existing key is read as it is, and only a missing one is created."""

from pathlib import Path

import pytest

from hostaway_pipeline.embedded.key_file import read_key
from hostaway_pipeline.errors import KeyringError


def test_an_existing_key_is_read_without_a_look_at_the_database(tmp_path: Path) -> None:
    path = tmp_path / "encryption.keys"
    created = read_key(path, may_create=lambda: True)
    assert read_key(path, may_create=lambda: pytest.fail("the file exists")) == created


def test_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "encryption.keys"
    with pytest.raises(KeyringError, match="is gone"):
        read_key(path, may_create=lambda: False)
    assert not path.exists()
