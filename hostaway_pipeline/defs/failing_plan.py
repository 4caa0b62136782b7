"""Decides which accounts that keep failing get a run of their own, which turns their partition red, with the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hostaway_pipeline.store.accounts.accounts import Account

# The longest pause of the circuit breaker: so an account has one such run per pause at most.
_AGAIN_SECONDS = 3600.0
# Per tick: a run costs three seconds of a core.
_AT_ONCE = 3
# If more than this share of all accounts fails, and more than a few, the cause is Hostaway or the network.
_COMMON_SHARE, _FEW = 0.2, 5


@dataclass(frozen=True, slots=True)
class FailingPlan:
    """Accounts to show now; when each was shown last, in Unix seconds; and what to say about the rest."""

    to_show: tuple[int, ...]
    shown_at: dict[int, float]
    text: str


def failing_plan(
    active: Sequence[Account], shown_at: Mapping[int, float], now: datetime, seconds: float
) -> FailingPlan:
    """`shown_at`: of the previous plan. `now`, `seconds`: the same moment, as a time and in Unix seconds."""
    failing = [account.account_id for account in active if account.is_paused(now)]
    known = {account_id: shown_at[account_id] for account_id in failing if account_id in shown_at}
    if len(failing) > max(_FEW, _COMMON_SHARE * len(active)):
        text = f"{len(failing)} of {len(active)} accounts fail: the cause is not theirs, so none gets a run of its own."
        return FailingPlan((), known, text)
    due = [account_id for account_id in failing if seconds - known.get(account_id, 0.0) >= _AGAIN_SECONDS]
    chosen = tuple(sorted(due, key=lambda account_id: known.get(account_id, 0.0))[:_AT_ONCE])
    text = f"{len(failing)} accounts fail." if failing else ""
    return FailingPlan(chosen, known | dict.fromkeys(chosen, seconds), text)
