"""Which failing accounts get a run of their own, so that people see them red, and how often."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from hostaway_pipeline.defs.failing_plan import failing_plan
from hostaway_pipeline.store.accounts.accounts import Account

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECONDS = NOW.timestamp()


def accounts(failing, healthy=100):
    def account(account_id, until):
        return Account(account_id, UUID(int=account_id), None, True, None, NOW, 3 if until else 0, until)

    broken = [account(number, NOW + timedelta(minutes=5)) for number in range(1, failing + 1)]
    return broken + [account(number, None) for number in range(1000, 1000 + healthy)]


def plan(failing, shown_at=None, *, healthy=100, later=0.0):
    return failing_plan(accounts(failing, healthy), shown_at or {}, NOW, SECONDS + later)


def test_a_failing_account_is_shown_at_once_and_again_after_the_longest_pause():
    first = plan(1)
    assert first.to_show == (1,)
    assert plan(1, first.shown_at, later=3599).to_show == ()
    assert plan(1, first.shown_at, later=3600).to_show == (1,)


def test_a_healthy_account_is_not_shown_and_forgotten():
    assert plan(0, {1: SECONDS}) == failing_plan(accounts(0), {}, NOW, SECONDS)


def test_many_are_shown_a_few_at_a_time():
    shown, order = {}, []
    for _ in range(3):
        found = plan(7, shown)
        shown, order = found.shown_at, [*order, *found.to_show]
    assert order == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("failing", "healthy", "are_shown"), [(20, 80, True), (21, 79, False), (5, 0, True), (6, 0, False)]
)
def test_if_a_fifth_of_all_accounts_fails_the_cause_is_not_theirs(failing, healthy, are_shown):
    """Hostaway is away, say: a thousand runs would tell nothing that one does not."""
    found = plan(failing, healthy=healthy)
    assert bool(found.to_show) is are_shown
    assert ("the cause is not theirs" in found.text) is not are_shown
