"""Which runs are declared dead."""

import pytest

from hostaway_pipeline.defs.liveness import LivenessPlan, liveness_plan


@pytest.mark.parametrize(
    ("running", "alive", "unlocked_since", "dead", "remembered"),
    [
        ([], [], {}, (), {}),
        (["a"], ["a"], {}, (), {}),
        (["a"], [], {}, (), {"a": 100.0}),  # it may not have its lock yet, or just have given it up
        (["a"], [], {"a": 86.0}, (), {"a": 86.0}),  # the second look came too soon
        (["a"], [], {"a": 85.0}, ("a",), {}),
        (["a"], ["a"], {"a": 10.0}, (), {}),  # it holds its lock again
        ([], [], {"a": 10.0}, (), {}),  # it has finished
        (["a", "b", "c"], ["b"], {"a": 80.0}, ("a",), {"c": 100.0}),
    ],
)
def test_a_run_without_its_lock_at_two_looks_is_dead(
    running: list[str],
    alive: list[str],
    unlocked_since: dict[str, float],
    dead: tuple[str, ...],
    remembered: dict[str, float],
) -> None:
    assert liveness_plan(running, alive, unlocked_since, now=100.0) == LivenessPlan(dead, remembered)
