"""JSON as Hostaway writes it, which is a little more than what the fast parser takes."""

import json
from typing import Any

import orjson

_LONGEST_INTEGER = 20  # characters of -2**63 and of 2**64 - 1


def parse_json(content: bytes) -> Any:
    """The parsed text, or None where it is no JSON."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        # Half a surrogate pair is JSON to the standard library and to Hostaway's PHP, but not to orjson.
        try:
            return json.loads(content, parse_int=_integer, parse_constant=_refuse)
        except (ValueError, RecursionError, OverflowError):
            return None


def _integer(digits: str) -> int | float:
    """As orjson reads them: beyond 64 bits a float, since nothing behind this can write longer integers."""
    if len(digits) <= _LONGEST_INTEGER and -(2**63) <= (number := int(digits)) < 2**64:
        return number
    return float(digits)  # of the text: beyond a float's range it is infinite, where the integer would raise


def _refuse(constant: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError(constant)
