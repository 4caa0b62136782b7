"""Times the messages of a conversation: the guest's, the host's answers and the automated ones.

Texts and rows: world/generate_conversations.py.
"""

from math import exp
from random import Random
from typing import NamedTuple

from hostaway_pipeline.sandbox.world.objects import Automation

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
NIGHT_ENDS, NIGHT_BEGINS = 7, 22
"""Hours (UTC) at which the hosts' night ends and begins."""
CONFIRMATION = Automation(7101, "reservationCreated", 0)
CHECK_IN = Automation(7102, "checkIn", -DAY)


class Subject(NamedTuple):
    """When a conversation and its booking begin, in Unix seconds; `booked_at` and `arrives_at` are None if not sold."""

    begun_at: int
    booked_at: int | None = None
    arrives_at: int | None = None


class Moment(NamedTuple):
    """A sent message."""

    at: int
    is_incoming: bool
    automation: Automation | None = None


def moments(rng: Random, subject: Subject, size: int, now: int) -> list[Moment]:
    """Draw `size` messages, none later than `now`: the guest writes first, then host and guest mostly take turns."""
    made = automated(rng, subject, size, now)
    at, is_incoming = subject.begun_at, True
    for left in range(size - len(made), 0, -1):
        wait = MINUTE + int(rng.random() ** 3 * 4 * DAY) if is_incoming else answer_delay(rng, at)
        at += min(wait, max(0, now - at) // left)
        made.append(Moment(at, is_incoming))
        is_incoming = not is_incoming if rng.random() < 0.85 else is_incoming
    return made


def automated(rng: Random, subject: Subject, size: int, now: int) -> list[Moment]:
    """A confirmation of the booking, and check-in instructions on the day before arrival."""
    made: list[Moment] = []
    if subject.booked_at is not None and size > 1 and rng.random() < 0.6:
        at = min(now, subject.booked_at + 20 + int(rng.random() * 100))
        made.append(Moment(at, False, CONFIRMATION))
    if subject.arrives_at is not None and size > 3 and subject.begun_at < subject.arrives_at - DAY <= now:
        made.append(Moment(subject.arrives_at - DAY, False, CHECK_IN))
    return made


def answer_delay(rng: Random, asked_at: int) -> int:
    """Draw seconds until the host answers: a median of 25 minutes by day; at night most wait until morning."""
    delay = int(25 * MINUTE * exp(rng.gauss(0, 1.1))) + 20
    answered_at = asked_at + delay
    hour = answered_at % DAY // HOUR
    if NIGHT_ENDS <= hour < NIGHT_BEGINS or rng.random() < 0.2:
        return delay
    morning = answered_at - answered_at % DAY + (NIGHT_ENDS * HOUR if hour < NIGHT_ENDS else DAY + NIGHT_ENDS * HOUR)
    return morning - asked_at + int(rng.random() * 90 * MINUTE)
