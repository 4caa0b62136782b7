"""The errors that routes document, in the words of the OpenAPI page."""

from collections.abc import Mapping
from typing import Any

from webhook_receiver.schemas import Problem

Responses = dict[int | str, dict[str, Any]]


def problems(texts: Mapping[int, str]) -> Responses:
    return {status: {"model": Problem, "description": text} for status, text in texts.items()}


GUARDED = problems(
    {
        401: "No key, or a wrong one",
        429: "Too many wrong keys from this address",
        503: "The database is away, or the encryption keys are wrong",
    }
)
MALFORMED = problems({422: "A value is not of this form: the detail names it and never repeats it"})
WITH_BODY = problems({400: "The body cannot be read", 413: "The body is larger than 1 MiB"}) | MALFORMED
