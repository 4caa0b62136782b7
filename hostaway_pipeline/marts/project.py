"""The dbt project: where it is, which version of it this is, and its manifest. No Dagster, no database."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Self

# What dbt or an editor leaves in the folder is no part of the project.
_NOT_OURS = frozenset({"target", "logs", "dbt_packages"})
# The manifest does not depend on the database, but dbt parses nothing without a profile.
_NO_DATABASE = {"HOSTAWAY_DBT_HOST": "none", "HOSTAWAY_DBT_USER": "none", "HOSTAWAY_DBT_DATABASE": "hostaway"}


@dataclass(frozen=True)
class DbtProject:
    """The project's folder, which is never written to, and the folder for what dbt writes."""

    folder: Path
    work: Path

    @classmethod
    def of(cls, home: Path) -> Self:
        """`home`: HOSTAWAY_HOME. In a wheel the project is inside the package, in a checkout next to it."""
        package = Path(__file__).parents[1]
        inside = package / "dbt_models"
        return cls(inside if inside.exists() else package.parent / "dbt_models", home.absolute() / "dbt")

    @property
    def target(self) -> Path:
        """Compiled SQL, and what dbt remembers of its last parse."""
        return self.work / "target"

    def files(self) -> Iterator[Path]:
        """The files of the project, sorted, without what dbt has left in its folder."""
        for path in sorted(self.folder.rglob("*")):
            parts = path.relative_to(self.folder).parts
            if path.is_file() and not _NOT_OURS.intersection(parts) and not any(part.startswith(".") for part in parts):
                yield path

    @cached_property
    def fingerprint(self) -> str:
        """Changes with every file of the project and with dbt itself."""
        digest = hashlib.sha256(f"{version('dbt-core')} {version('dbt-postgres')}".encode())
        for path in self.files():
            name, content = path.relative_to(self.folder).as_posix().encode(), path.read_bytes()
            digest.update(b"%d %d %s%s" % (len(name), len(content), name, content))
        return digest.hexdigest()[:16]

    @property
    def manifest_name(self) -> str:
        return f"manifest-{self.fingerprint}.json"

    def manifest(self) -> Path:
        """dbt's description of this version of the project: the one in the wheel, or one that is made here once."""
        shipped, made = self.folder.parent / self.manifest_name, self.work / self.manifest_name
        if shipped.exists() or made.exists():
            return shipped if shipped.exists() else made
        with _exclusive(self.work):  # the webserver and the daemon load the location at the same moment
            if not made.exists():
                for stale in self.work.glob("manifest-*.json"):
                    stale.unlink()
                # In a process of its own, which gives the memory back.
                command = [sys.executable, "-m", __name__, str(self.folder), str(made)]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return made


def write_manifest(folder: Path, path: Path) -> None:
    """Parse the project in `folder` and write its manifest to `path`."""
    from dbt.cli.main import dbtRunner  # noqa: PLC0415 (costs two seconds, and most processes only need the path)

    with tempfile.TemporaryDirectory(dir=path.parent) as target, _environment(_NO_DATABASE):
        result = dbtRunner().invoke(["parse", *arguments(folder, Path(target)), "--log-level", "error"])
        if not result.success:
            raise SystemExit(f"dbt cannot parse {folder}: {result.exception or 'see above'}")
        os.replace(Path(target) / "manifest.json", path)


def arguments(folder: Path, target: Path) -> list[str]:
    """Options that every dbt command needs: its folders, and no word to anybody outside this machine."""
    return [
        *("--project-dir", str(folder), "--profiles-dir", str(folder), "--target-path", str(target)),
        *("--log-path", str(target), "--log-level-file", "none"),
        *("--no-send-anonymous-usage-stats", "--no-version-check", "--no-use-colors"),
    ]


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    write_manifest(Path(sys.argv[1]), Path(sys.argv[2]))
