"""JSON as Hostaway writes it, which is a little more than what the fast parser takes."""

import json
from typing import Any

import orjson


def parse_json(content: bytes) -> Any:
    """The parsed text, or None where it is no JSON."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        # Half a surrogate pair is JSON to the standard library and to Hostaway's PHP, but not to orjson.
        try:
            return json.loads(content, parse_int=_integer, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None


def _integer(digits: str) -> int | float:
    """As orjson reads them: beyond 64 bits a float, since nothing behind this can write longer integers."""
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(number)


def _refuse(constant: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError(constant)
