"""The examples of docs/analytics.md: each query runs, and its answer is the documented one; so does the pandas code.

`python -m pytest tests/analytics/test_documented_questions.py` shows the new answer where the two differ.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hostaway_pipeline.cli.demo import ACCOUNT_ID
from hostaway_pipeline.sandbox.config import SandboxConfig
from tests.analytics.accounts import opened
from tests.analytics.conftest import Models

PAGE = (Path(__file__).parents[2] / "docs" / "analytics.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(
    r"^### (\d+\. [^\n]*)\n\n```sql\n(.*?)\n```\n\n```text\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL
)


def rendered(columns: list[str], found: list[tuple[object, ...]]) -> str:
    """The answer as the page shows it: columns as wide as their longest value."""
    lines = [columns, *(["" if value is None else str(value) for value in row] for row in found)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    return "\n".join(
        "  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


@pytest.fixture(scope="module")
def url(new_database: Callable[[], str], target: Path) -> Iterator[str]:
    """The demo's account: its size, the sandbox's usual seed and day."""
    usual = SandboxConfig()
    url = new_database()
    with opened(url, f"{ACCOUNT_ID}:7:787", seed=usual.seed, today=date.fromisoformat(usual.today)) as accounts:
        accounts.sync(ACCOUNT_ID)
        Models(url, target).build()
        yield url


def test_there_are_twelve_questions() -> None:
    assert [int(title.partition(".")[0]) for title, _, _ in QUESTIONS] == list(range(1, 13))


@pytest.mark.parametrize(("title", "query", "answer"), QUESTIONS, ids=[title for title, _, _ in QUESTIONS])
def test_the_answer_is_the_documented_one(url: str, title: str, query: str, answer: str) -> None:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(query.encode())
        assert cursor.description is not None
        columns = [column.name for column in cursor.description]
        assert rendered(columns, cursor.fetchall()) == answer


def test_the_pandas_example_runs(url: str) -> None:
    (code,) = re.findall(r"^```python\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = {}
    exec(re.sub(r'url = ".*"', f"url = {url!r}", code), found)
    rent = found["rent"]
    assert set(rent.index.get_level_values("currency")) >= {"JPY", "KWD", "USD"}
    assert {type(amount) for amount in rent} <= {Decimal, int}, "an amount became a float"  # a month without rent is 0
