"""How many enquiries of an account became bookings, by the channel and the month in which they came in."""

from collections import Counter
from datetime import date

from tests.analytics.oracle.history import History
from tests.analytics.oracle.values import month_of


def conversion(history: History) -> dict[tuple[str, date], tuple[int, int]]:
    """Enquiries, and those of them that were sold later."""
    enquiries, sold = Counter[tuple[str, date]](), Counter[tuple[str, date]]()
    for states in history.each():
        asked = min(((since, channel) for since, state, channel in states if state == "inquiry"), default=None)
        if asked is not None:
            key = asked[1], month_of(asked[0].date())
            enquiries[key] += 1
            sold[key] += any(state == "sold" and since > asked[0] for since, state, _ in states)
    return {key: (count, sold[key]) for key, count in enquiries.items()}
