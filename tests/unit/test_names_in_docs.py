"""Paths and code names in documents, docstrings and comments exist.

Paths are checked wherever they stand. Names are checked in backticks only, and only if they look like code: a class, a
dotted name, a call, or a word with an underscore. Such a word must occur in the code itself; a plain word may be SQL,
a shell command or a key of Hostaway's JSON.
"""

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("hostaway_pipeline", "webhook_receiver", "bench", "tests")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = [path for room in ROOMS for kind in ("py", "sql") for path in sorted((ROOT / room).rglob(f"*.{kind}"))]
# Where a short path such as sync/pull/run.py or merge.sql may begin, besides the room of the file that names it.
BASES = [ROOT / base for base in (".", "webhook_receiver", "hostaway_pipeline")]
BASES += [ROOT / "hostaway_pipeline/store", ROOT / "hostaway_pipeline/store/queries"]

PATH = re.compile(r"(?<![\w/.:*-])(?:[\w-]+/)*[\w-]+\.(?:py|sql)(?!\w|\.\w)")
FOLDER = re.compile(rf"(?<![\w/.:-])(?:{'|'.join(ROOMS)}|docs)(?:/[\w-]+)+/?(?![\w.{{*])")
QUOTED = re.compile(r"`([^`\n]+)`")
NAME = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\(.*\))?")
CLASS = re.compile(r"_?[A-Z][a-z0-9]+\w*")
WORD = re.compile(r"[A-Za-z_]\w*")


def prose(source: str) -> tuple[str, str]:
    """The docstrings and comments of a Python module, and the rest of it."""
    tree, lines = ast.parse(source), source.splitlines()
    texts, code = [], list(lines)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            texts.append(node.value.value)
            code[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            texts.append(token.string)
            row, column = token.start
            code[row - 1] = code[row - 1][:column]
    return "\n".join(texts), "\n".join(code)


@cache
def texts_of(path: Path) -> tuple[str, str]:
    """What a file says in prose, and its code."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return source, ""
    if path.suffix == ".sql":
        return "\n".join(re.findall(r"--.*", source)), re.sub(r"--.*", "", source)
    return prose(source)


@cache
def code() -> str:
    settings = [path.read_text(encoding="utf-8") for path in (ROOT / "pyproject.toml", ROOT / "dagster.yaml")]
    files = [path for path in (ROOT / "dbt_models").rglob("*.*") if path.is_file()]
    models = [f"{path.stem}\n{path.read_text(encoding='utf-8')}" for path in files]
    return "\n".join([*(texts_of(path)[1] for path in SOURCES if path != Path(__file__)), *settings, *models])


@cache
def words() -> frozenset[str]:
    """Every word of the code, strings included: names, columns, statuses, keys."""
    return frozenset(WORD.findall(code()))


@cache
def members() -> dict[str, set[str]]:
    """By class and by module: what is defined in it. A name that several of them share has what any of them defines."""
    found: dict[str, set[str]] = {}
    bases: dict[str, set[str]] = {}
    for path in (path for path in SOURCES if path.suffix == ".py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = found.setdefault(path.parent.name if path.stem == "__init__" else path.stem, set())
        own |= set(_defined(tree.body))
        found.setdefault(path.parent.name, set()).add(path.stem)
        found.setdefault(path.parent.parent.name, set()).add(path.parent.name)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(_defined(node.body), _attributes(node))
                bases.setdefault(node.name, set()).update(ast.unparse(base).split(".")[-1] for base in node.bases)
    for name, above in bases.items():
        for base in above & found.keys():
            found[name] |= found[base]
    return found


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))


def _attributes(node: ast.ClassDef) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self":
            yield part.attr


def wrong_paths(text: str, of: Path) -> Iterator[str]:
    room = [of.parent, *(parent for parent in of.parents if parent.is_relative_to(ROOT))]
    for path in {*PATH.findall(text), *FOLDER.findall(text)}:
        if any((base / path).exists() for base in (*BASES, *room)):
            continue
        if of.suffix == ".md" and "/" not in path and any(source.name == path for source in SOURCES):
            continue  # a tree of folders names its files below them
        yield path


def wrong_names(text: str) -> Iterator[str]:
    for span in QUOTED.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        match = NAME.fullmatch(span)
        if match is None or PATH.fullmatch(span):
            continue
        *owners, last = match[1].split(".")
        is_code = owners or match[2] or "_" in last or CLASS.fullmatch(last)
        if not is_code or last.endswith("_") or hasattr(builtins, last) or (ROOT / span).exists():
            continue
        if owners and re.search(rf"\b{re.escape(span)}\b", code()):
            continue
        if owners and owners[-1] in members():
            if last not in members()[owners[-1]]:
                yield span
        elif not {*owners, last} <= words():
            yield span


@pytest.mark.parametrize("path", [*PAGES, *SOURCES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_text_names_exists(path: Path) -> None:
    text = texts_of(path)[0]
    assert [*wrong_paths(text, path), *wrong_names(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "sync/pull/sweep.py",
        "queries/merge.sql",
        "client/ports.py",
        "errors.py",
        "tests/unit/",
        "`Inbox.claim`",
        "`HostawayClient.abort`",
        "`read_newest`",
        "`inbox.record_outcomes`",
        "`Services`",
        "`now()`",
        "`SELECT`",
        "`updatedOn`",
        "`hostaway sync`",
    ],
)
def test_a_right_name_is_found(text: str) -> None:
    assert [*wrong_paths(text, SOURCES[0]), *wrong_names(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "sync/pull/gaps.py",
        "queries/merged.sql",
        "hostaway_pipeline/store/tables",
        "gaps.py",
        "`Inbox.clam`",
        "`HostawayClinet`",
        "`read_newset`",
        "`inbox.record_outcome`",
        "`Inboxes`",
        "`settle_everything()`",
    ],
)
def test_a_wrong_name_is_reported(text: str) -> None:
    assert [*wrong_paths(text, SOURCES[0]), *wrong_names(text)] == [text.strip("`")]
