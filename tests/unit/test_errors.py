"""The hierarchy that errors.py draws is the one it declares."""

import inspect
import re
from datetime import UTC, datetime

import pytest

from hostaway_pipeline import errors

_LINE = re.compile(r"^(?P<indent>[│├└─ ]*)(?P<name>[A-Z][A-Za-z]+)\b")


def drawn() -> dict[str, str | None]:
    """Each class of the drawing and the one it hangs from."""
    parents: dict[str, str | None] = {}
    branch: list[str] = []
    for line in inspect.getdoc(errors).split("\n\n", 1)[1].splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        depth = len(match["indent"]) // 4
        branch[depth:] = [match["name"]]
        parents[match["name"]] = branch[depth - 1] if depth else None
    return parents


def declared() -> dict[str, str | None]:
    classes = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == errors.__name__
    ]
    return {
        one.__name__: None if one.__base__ is Exception else getattr(one.__base__, "__name__", None) for one in classes
    }


def test_the_drawing_is_read():
    """Or else an empty drawing would equal an empty module."""
    assert len(drawn()) > 10


def test_the_drawn_tree_is_the_class_tree():
    assert drawn() == declared()


@pytest.mark.parametrize("name", sorted(declared()))
def test_every_error_says_what_it_means(name):
    assert getattr(errors, name).__doc__


@pytest.mark.parametrize("name", sorted(declared()))
def test_every_error_is_one_of_ours(name):
    """The command line catches PipelineError and prints one line; anything else is a traceback."""
    assert issubclass(getattr(errors, name), errors.PipelineError)


def test_no_error_is_both_transient_and_permanent():
    both = [
        name
        for name in declared()
        if issubclass(getattr(errors, name), errors.TransientApiError)
        and issubclass(getattr(errors, name), errors.PermanentApiError)
    ]
    assert both == []


def test_a_429_carries_the_instant_of_its_end():
    instant = datetime(2026, 10, 5, tzinfo=UTC)
    assert errors.RateLimited("slow down", instant).retry_at == instant


def test_a_429_may_name_no_instant():
    assert errors.RateLimited("slow down").retry_at is None


def test_a_429_reads_as_its_message_alone():
    assert str(errors.RateLimited("slow down", datetime(2026, 10, 5, tzinfo=UTC))) == "slow down"
