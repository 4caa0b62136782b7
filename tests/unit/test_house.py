"""Limits on size that keep a file on a few screens and a function on one, and imports that must stay cheap."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE_LINES, FUNCTION_LINES = 250, 45


def product_files() -> Iterator[Path]:
    """All files but migrations: they are never edited again."""
    for package in ("hostaway_pipeline", "webhook_receiver"):
        yield from (path for path in (ROOT / package).rglob("*.py") if "versions" not in path.parts)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function and its lines, from `def` to its end."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            yield node.name, node.end_lineno - node.lineno + 1


def test_no_file_has_more_than_250_lines() -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in product_files()}
    assert len(sizes) > 100
    assert {path: lines for path, lines in sizes.items() if lines > FILE_LINES} == {}


def test_no_function_has_more_than_45_lines() -> None:
    sizes = {(path, name): lines for path in product_files() for name, lines in functions(path)}
    assert {function: lines for function, lines in sizes.items() if lines > FUNCTION_LINES} == {}


def test_importing_a_key_builds_no_asset() -> None:
    code = (
        "import sys, hostaway_pipeline.defs.keys;"
        "print(*sorted(name for name in sys.modules if name.startswith('hostaway_pipeline.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == ["hostaway_pipeline.defs", "hostaway_pipeline.defs.keys"]
