"""`hostaway db backup`, `restore` and `upgrade`: both databases in one folder; the encryption key stays apart."""

import hashlib
import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from hostaway_pipeline.cli.output import say
from hostaway_pipeline.cli.session import configure, services_for
from hostaway_pipeline.embedded.host import MAJOR, made_by
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.errors import ConfigurationError, KeyringError
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.backups import record_backup
from hostaway_pipeline.store.dumps import dump, require_empty, restore
from hostaway_pipeline.wiring import DAGSTER_DATABASE, DATABASE, KEY_FILE, database_url

_MANIFEST = "backup.json"
_CHUNK = 1 << 20
_DATABASES = (DATABASE, DAGSTER_DATABASE)

Folder = Annotated[Path, typer.Argument(help="A folder; it holds personal data, so only you may enter it.")]


def backup(folder: Folder) -> None:
    """Write both databases into a new folder below this one. The key is not in it: keep a copy of it elsewhere."""
    settings = configure()
    began = datetime.now(UTC)
    with services_for(settings) as services:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".hostaway-", dir=folder))  # of mode 0700
        try:
            for name in _DATABASES:
                dump(database_url(settings, name), made / f"{name}.dump")
            _write_manifest(made, began)
            target = folder / f"hostaway-{began:%Y-%m-%dT%H-%M-%SZ}"
            made.rename(target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        size = sum(file.stat().st_size for file in target.iterdir())
        record_backup(services.database, began, size)
    say(f"{target}: {size / 1e6:.1f} MB")
    say(f"the key is not in it: keep a copy of {_key_place(settings)} elsewhere")


def restore_backup(
    folder: Annotated[Path, typer.Argument(help="A folder that `hostaway db backup` has written.")],
) -> None:
    """Bring a backup back, into an empty HOSTAWAY_HOME or into empty databases of your own server."""
    settings = configure()
    _check_manifest(folder)
    if settings.database_url is None and (data := settings.home.absolute() / "postgres").exists():
        raise ConfigurationError(f"{data} exists: a backup is restored into an empty HOSTAWAY_HOME only")
    urls = {name: database_url(settings, name) for name in _DATABASES}
    for url in urls.values():
        require_empty(url)
    for name, url in urls.items():
        restore(url, folder / f"{name}.dump")
    say("both databases are restored")
    try:
        with services_for(settings, checked=False) as services:
            services.secrets.verify()
            services.check()  # erases again who was erased since
    except KeyringError as error:
        raise KeyringError(f"the data is back, but the key that opens its secrets is not: {error}") from None
    say("the key opens the secrets; `hostaway doctor` checks the rest")


def upgrade() -> None:
    """Move the embedded database to the version of Postgres of this release. The old data stays beside the new."""
    settings = configure()
    home = settings.home.absolute()
    data, found = home / "postgres", made_by(home / "postgres")
    if settings.database_url is not None or found is None:
        raise ConfigurationError(f"there is no embedded database in {home} to upgrade")
    if found == MAJOR:
        say(f"the embedded database is of Postgres {MAJOR} already")
        return
    kept = home / f"postgres-{found}"
    if kept.exists():
        raise ConfigurationError(f"{kept} exists, where the old data would go: move it away")
    with tempfile.TemporaryDirectory(prefix=".upgrade-", dir=home) as folder:
        dumps = {name: Path(folder) / f"{name}.dump" for name in _DATABASES}
        with EmbeddedPostgres(home, found) as old:
            for name, file in dumps.items():
                old.ensure_database(name)
                dump(old.url(name), file)
        data.rename(kept)
        try:
            with EmbeddedPostgres(home) as new:
                for name, file in dumps.items():
                    new.ensure_database(name)
                    restore(new.url(name), file)
        except BaseException:
            shutil.rmtree(data, ignore_errors=True)
            kept.rename(data)
            raise
    say(f"upgraded from Postgres {found} to {MAJOR}; once all is well, remove {kept}")


def _write_manifest(folder: Path, began: datetime) -> None:
    files = {file.name: {"bytes": file.stat().st_size, "sha256": _digest(file)} for file in sorted(folder.iterdir())}
    manifest = {"began_at": began.isoformat(), "version": version("hostaway-pipeline"), "files": files}
    path = folder / _MANIFEST
    path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    for file in (*folder.iterdir(),):
        with file.open("rb") as written:
            os.fsync(written.fileno())


def _check_manifest(folder: Path) -> None:
    """Raises ConfigurationError unless the folder is a whole backup."""
    try:
        files = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["files"]
        wrong = [
            name for name in (f"{name}.dump" for name in _DATABASES) if _digest(folder / name) != files[name]["sha256"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{folder} is no backup: `hostaway db backup` writes one") from None
    if wrong:
        raise ConfigurationError(f"{folder}: {', '.join(wrong)} is not what was written: take another backup")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _key_place(settings: Settings) -> str:
    return "HOSTAWAY_ENCRYPTION_KEYS" if settings.encryption_keys else str(settings.home.absolute() / KEY_FILE)
