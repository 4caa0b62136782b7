"""What arrives before a failure is handed over before the failure is raised."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from hostaway_pipeline.sync.pull.side_by_side import side_by_side


def test_answers_before_a_failure_are_not_lost() -> None:
    """One thread answers in order, so the two are there when the third fails."""
    arrived: list[int] = []

    def read_all(pool: ThreadPoolExecutor) -> None:
        for batch in side_by_side(pool, lambda number: 6 // number, [1, 2, 0], at_once=3):
            arrived.extend(batch)

    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        read_all(pool)
    assert sorted(arrived) == [3, 6]
