"""Builds the errors for a message whose outcome is unknown or that another caller is sending."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from hostaway_pipeline.errors import DatabaseUnavailable, MessageNotSent
from hostaway_pipeline.store.outbox import OutboundMessage
from hostaway_pipeline.sync.sending.recognise import MAX_REQUEST_SECONDS


def busy(reason: str) -> MessageNotSent:
    return MessageNotSent(f"{reason}: ask again with the same Idempotency-Key", "busy")


def taken_over() -> MessageNotSent:
    return busy("another caller with the same Idempotency-Key has taken this message over")


def unclear(message: OutboundMessage, reason: str, *, patience: float) -> MessageNotSent:
    """`patience`: seconds after an attempt during which it may still arrive at Hostaway."""
    seconds = _seconds_left(message, patience)
    when = f"in {seconds} s" if seconds else "now"
    return MessageNotSent(
        f"nobody knows whether the message was sent ({reason}): it may still go out. Ask again with the same "
        f"Idempotency-Key, which only looks for it; do not use a new one. With `resend`, which will be accepted "
        f"{when}, it is sent again if it is not there",
        "unclear",
    )


def not_yet(message: OutboundMessage, reason: str, *, patience: float, resend: bool) -> MessageNotSent:
    """Why to ask again: it is too early to resend, the sender may be alive, or the outcome is unclear."""
    seconds = _seconds_left(message, patience)
    if resend and seconds:
        return MessageNotSent(
            f"nobody knows whether this message was sent, and it may still go out: `resend` will be accepted in "
            f"{seconds} s",
            "too_early",
            retry_after=seconds,
        )
    if message.status == "sending" and (message.age or 0.0) < MAX_REQUEST_SECONDS:
        return busy("this message is being sent right now, or its sender died a moment ago")
    return unclear(message, reason, patience=patience)


@contextmanager
def in_doubt(message: OutboundMessage, *, patience: float) -> Iterator[None]:
    """Turns DatabaseUnavailable into `unclear`: losing the database says nothing about a message already posted."""
    try:
        yield
    except DatabaseUnavailable:
        raise unclear(message, "the database is unavailable", patience=patience) from None


def _seconds_left(message: OutboundMessage, patience: float) -> int:
    return math.ceil(max(0.0, patience - (message.age or 0.0)))
