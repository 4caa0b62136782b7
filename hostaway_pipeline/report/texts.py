"""Numbers as people read them. None, which stands for an unknown or an empty denominator, is an empty text."""

from datetime import datetime
from decimal import Decimal

Number = int | float | Decimal | None
_LONGEST = 100


def shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def percent(ratio: Number) -> str:
    return "" if ratio is None else f"{ratio * 100:.0f} %"


def count(number: Number) -> str:
    return "" if number is None else f"{number:,.0f}"


def decimal(number: Number) -> str:
    return "" if number is None else f"{number:,.1f}"


def money(amount: Number) -> str:
    """Without a currency. Small amounts have cents: a night costs 25.38 dinars or 22,520 yen."""
    if amount is None:
        return ""
    return f"{amount:,.0f}" if abs(float(amount)) >= 1000 else f"{amount:,.2f}"


def exact(amount: Number) -> str:
    """With all its decimals that are not zero: differences must add up on paper, too."""
    return "" if amount is None else f"{Decimal(amount).normalize():,f}"


def minutes(number: Number) -> str:
    """Such as 48 min, 3.5 h or 2.0 days."""
    if number is None:
        return ""
    if number < 90:
        return f"{number:.0f} min"
    hours = float(number) / 60
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def age(moment: datetime | None, now: datetime) -> str:
    """Such as `12 min ago (2026-09-01 10:15 UTC)`; `never`."""
    if moment is None:
        return "never"
    passed = max(0.0, (now - moment).total_seconds()) / 60
    return f"{minutes(passed)} ago ({moment:%Y-%m-%d %H:%M} UTC)"
