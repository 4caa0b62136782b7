"""Error responses that several routes document in OpenAPI."""

from collections.abc import Mapping
from typing import Any

from webhook_receiver.schemas import Problem

Responses = dict[int | str, dict[str, Any]]


def problems(texts: Mapping[int, str]) -> Responses:
    return {status: {"model": Problem, "description": text} for status, text in texts.items()}


GUARDED = problems(
    {
        401: "The key is missing or wrong",
        429: "Too many wrong keys from this address",
        503: "The database is unavailable, or the encryption keys are wrong",
    }
)
MALFORMED = problems({422: "A value is invalid: the detail names its field and never repeats the value"})
WITH_BODY = problems({400: "The body cannot be read", 413: "The body is larger than 1 MiB"}) | MALFORMED
