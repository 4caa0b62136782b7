"""Encrypted secrets: a start without the right keys fails and names them; rotation is complete and repeatable."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from hostaway_pipeline.errors import KeyringError
from hostaway_pipeline.security.keyring import Keyring, generate_key
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.accounts.accounts import Accounts, secret_place
from hostaway_pipeline.store.accounts.secrets import Rotation, Secrets
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.wiring import embedded_postgres, open_services, services_on
from tests.factories import rows

OLD, NEW = generate_key(), generate_key()


def secrets(database: Database, keys: str) -> Secrets:
    return Secrets(database, Keyring.parse(keys))


def rotated(database: Database, keys: str, *, dry_run: bool = False) -> Rotation:
    *_, total = secrets(database, keys).rotate(dry_run=dry_run)
    return total


@pytest.fixture
def filled(database: Database) -> Database:
    """Three accounts with secrets under the key `old`."""
    keyring = Keyring.parse(f"old:{OLD}")
    Secrets(database, keyring).check()
    for account_id in (1, 2, 3):
        Accounts(database, keyring).add(account_id, f"secret-{account_id}", name=None, customer_id=None, is_due=False)
    return database


def stored_secrets(url: str) -> list[str]:
    return [
        row["client_secret"] for row in rows(url, "SELECT client_secret FROM hostaway.accounts ORDER BY account_id")
    ]


def test_a_start_with_the_right_key_passes(filled: Database) -> None:
    secrets(filled, f"old:{OLD}").check()


def test_a_start_with_another_key_under_the_same_id_names_it(filled: Database) -> None:
    with pytest.raises(KeyringError, match="key 'old' is not the key"):
        secrets(filled, f"old:{NEW}").check()


def test_a_start_without_a_needed_key_names_it(filled: Database) -> None:
    with pytest.raises(KeyringError, match=r"key 'old' is missing.*the setting has 'new'"):
        secrets(filled, f"new:{NEW}").check()


def test_a_new_active_key_beside_the_old_one_passes(filled: Database) -> None:
    secrets(filled, f"new:{NEW},old:{OLD}").check()
    secrets(filled, f"new:{NEW},old:{OLD}").check()


def test_rotation_reencrypts_every_value_so_that_the_old_key_can_be_removed(
    filled: Database, database_url: str
) -> None:
    both = f"new:{NEW},old:{OLD}"
    secrets(filled, both).check()
    total = rotated(filled, both)
    assert (total.rotated, total.skipped, total.failures) == (3, 0, None)
    secrets(filled, f"new:{NEW}").check()
    keyring = Keyring.parse(f"new:{NEW}")
    places = [secret_place("client_secret", account_id) for account_id in (1, 2, 3)]
    decrypted = [
        keyring.decrypt(value, place) for value, place in zip(stored_secrets(database_url), places, strict=True)
    ]
    assert decrypted == ["secret-1", "secret-2", "secret-3"]


def test_rotating_again_changes_nothing(filled: Database, database_url: str) -> None:
    both = f"new:{NEW},old:{OLD}"
    rotated(filled, both)
    before = stored_secrets(database_url)
    again = rotated(filled, both)
    assert (again.rotated, again.skipped) == (0, 3)
    assert stored_secrets(database_url) == before


def test_a_dry_run_counts_and_writes_nothing(filled: Database, database_url: str) -> None:
    before = stored_secrets(database_url)
    assert rotated(filled, f"new:{NEW},old:{OLD}", dry_run=True).rotated == 3
    assert stored_secrets(database_url) == before
    secrets(filled, f"old:{OLD}").check()


def test_a_secret_stored_in_plain_text_is_encrypted(filled: Database, database_url: str) -> None:
    rows(database_url, "UPDATE hostaway.accounts SET client_secret = 'in clear', webhook_password = 'too' "
         "WHERE account_id = 2 RETURNING 1")  # fmt: skip
    total = rotated(filled, f"old:{OLD}")
    assert (total.rotated, total.skipped) == (2, 2)
    assert (
        Keyring.parse(f"old:{OLD}").decrypt(stored_secrets(database_url)[1], secret_place("client_secret", 2))
        == "in clear"
    )


def test_a_value_that_cannot_be_decrypted_is_reported_and_left(filled: Database, database_url: str) -> None:
    """One row copied over another: a value is bound to its account and cannot be decrypted elsewhere."""
    rows(database_url, "UPDATE hostaway.accounts SET client_secret = (SELECT client_secret FROM hostaway.accounts "
         "WHERE account_id = 1) WHERE account_id = 2 RETURNING 1")  # fmt: skip
    both = f"new:{NEW},old:{OLD}"
    secrets(filled, both).check()
    total = rotated(filled, both)
    assert total.rotated == 2
    assert total.failures is not None
    assert "account 2" in total.failures[0]
    with pytest.raises(KeyringError):  # the old key is still needed, so its canary stays
        secrets(filled, f"new:{NEW}").check()


def test_more_accounts_than_a_batch_are_all_rotated(filled: Database, database_url: str) -> None:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id, client_secret) "
         "SELECT n, 'clear-' || n FROM generate_series(100, 600) AS n RETURNING 1")  # fmt: skip
    assert rotated(filled, f"old:{OLD}").rotated == 501
    assert not [value for value in stored_secrets(database_url) if not value.startswith("v1:old:")]


@pytest.fixture
def embedded_settings(embedded_folder: Path) -> Iterator[Settings]:
    home = embedded_folder / uuid4().hex
    yield Settings(_env_file=None, home=home, database_url=None, encryption_keys=None)
    embedded_postgres(home).stop()  # now, not at the end of the test session


def test_the_embedded_database_creates_its_key_once(embedded_settings: Settings) -> None:
    services = open_services(embedded_settings)
    services.migrate()
    services.check()
    key_file = embedded_settings.home / "encryption.keys"
    assert key_file.stat().st_mode & 0o777 == 0o600
    services.close()

    key_file.unlink()
    with pytest.raises(KeyringError, match=r"encryption\.keys is gone"):
        open_services(embedded_settings).check()
    assert not key_file.exists()


def test_a_key_file_that_others_can_read_is_refused(embedded_settings: Settings) -> None:
    services = open_services(embedded_settings)
    services.migrate()
    services.check()
    (embedded_settings.home / "encryption.keys").chmod(0o644)
    with pytest.raises(KeyringError, match="chmod 600"):
        open_services(embedded_settings).check()


def test_a_configured_database_without_keys_is_refused(database_url: str) -> None:
    settings = Settings(_env_file=None, database_url=database_url, encryption_keys=None)
    with pytest.raises(KeyringError, match="HOSTAWAY_ENCRYPTION_KEYS is not set"):
        services_on(settings, database_url).check()
