"""The documentation names only what exists: commands, make targets, settings, files, columns."""

import re
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from hostaway_pipeline.cli.main import app
from hostaway_pipeline.secret_files import is_secret
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.schema import metadata

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}


def commands() -> set[str]:
    root = get_command(app)
    context = typer.Context(root)
    found: set[str] = set()
    for name in root.list_commands(context):  # type: ignore[attr-defined]
        found.add(name)
        command = root.get_command(context, name)  # type: ignore[attr-defined]
        if hasattr(command, "list_commands"):
            found |= {f"{name} {sub}" for sub in command.list_commands(context)}
    return found


@pytest.mark.parametrize("page", TEXTS)
def test_every_command_that_is_named_exists(page: str) -> None:
    known = commands()
    for first, second in re.findall(r"(?:^|[`/ ])hostaway ([a-z]+)(?: ([a-z-]+)\b)?", TEXTS[page], re.MULTILINE):
        groups = {name.split()[0] for name in known if " " in name}
        assert (f"{first} {second}" if first in groups and second else first) in known, (
            f"{page}: hostaway {first} {second}"
        )


@pytest.mark.parametrize("page", TEXTS)
def test_every_make_target_that_is_named_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", TEXTS[page], re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", TEXTS)
def test_every_setting_that_is_named_exists(page: str) -> None:
    known = {f"HOSTAWAY_{name.upper()}" for name in Settings.model_fields}
    known |= {f"HOSTAWAY_{name.upper()}_FILE" for name in Settings.model_fields if is_secret(Settings, name)}
    assert set(re.findall(r"HOSTAWAY_[A-Z_]+", TEXTS[page])) <= known


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_and_picture_is_there(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", TEXTS[page]):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


def test_the_readmes_queries_use_columns_that_exist() -> None:
    columns = {f"{table.name}": set(table.columns.keys()) for table in metadata.tables.values()}
    for query in re.findall(r"```sql\n(.*?)```", TEXTS["README.md"], re.DOTALL):
        aliases = {alias: table for table, alias in re.findall(r"hostaway\.(\w+) AS (\w+)", query)}
        for alias, column in re.findall(r"\b(\w+)\.(\w+)\b", query):
            if alias in aliases:
                assert column in columns[aliases[alias]], f"{alias}.{column}"
