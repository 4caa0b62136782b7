"""Reads Hostaway's JSON and its loosely typed values. What cannot be read becomes None, never an exception."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

BIGINT = 2**63
DATE_LENGTH = 10  # characters of a date, with which Hostaway's times begin
_MAX_INTEGER_LENGTH = 20  # characters of -2**63 and of 2**64 - 1
# Separators such as \x1f are space for an expression, but not for int().
_INTEGER = re.compile(r"\s*-?[0-9]{1,19}\s*", re.ASCII)
_MAX_EXACT_FLOAT = 2.0**53  # a larger float may stand for another integer


def parse_json(content: bytes) -> Any:
    """Parse JSON text; None where it is not JSON.

    orjson refuses a text with half of a surrogate pair, which the standard library and Hostaway's PHP accept.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            return json.loads(content, parse_int=_parse_integer, parse_constant=_refuse_constant)
        except (ValueError, RecursionError, OverflowError):
            return None


def as_int(value: Any) -> int | None:
    """An integer that fits a bigint, from a number or digits in a string."""
    is_whole = (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer() and abs(value) <= _MAX_EXACT_FLOAT)
        or (isinstance(value, str) and _INTEGER.fullmatch(value) is not None)
    )
    return int(value) if is_whole and -BIGINT <= int(value) < BIGINT else None


def as_bool(value: Any) -> bool | None:
    """A boolean, from 0/1 (Hostaway's usual form), true/false or "0"/"1"."""
    if value in (0, 1, "0", "1"):
        return bool(int(value))
    return None


def as_text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def as_decimal(value: Any) -> Decimal | None:
    """An exact decimal for money, from the shortest text of a float."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 100 else None


def as_instant(value: Any) -> datetime | None:
    """Aware, in UTC, from `YYYY-MM-DD HH:MM:SS`; None for `0000-00-00 00:00:00` and other dates that do not exist."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def as_date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value[:DATE_LENGTH]) if isinstance(value, str) else None
    except ValueError:
        return None


def as_length(value: Any) -> int | None:
    """The number of objects in a list; None for an empty one and for what is no list."""
    return len(value) or None if isinstance(value, list) else None


def ids_under(key: str) -> Callable[[Any], list[int] | None]:
    """A reader of the ids that the objects of a list hold under a key; it gives None where there are none."""

    def read(value: Any) -> list[int] | None:
        found = (as_int(part.get(key)) for part in value if isinstance(part, dict)) if isinstance(value, list) else ()
        return [number for number in found if number is not None] or None

    return read


def is_empty(value: Any) -> bool:
    """Whether a value says nothing, in one of Hostaway's spellings of it, so that None is the right reading."""
    if isinstance(value, str):
        return not value.strip() or value.startswith("0000-00-00")
    return value is None or (isinstance(value, list | dict) and not value)


def newest(*instants: datetime | None) -> datetime | None:
    return max((instant for instant in instants if instant is not None), default=None)


def _parse_integer(digits: str) -> int | float:
    """Parse as orjson does: beyond 64 bits a float, since orjson and Postgres could not write a longer integer."""
    if len(digits) <= _MAX_INTEGER_LENGTH and -BIGINT <= (number := int(digits)) < 2**64:
        return number
    return float(digits)  # from the text: beyond a float's range that is infinite, where float(int) would raise


def _refuse_constant(constant: str) -> None:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(constant)
