"""When guests write, when hosts answer them, and what Hostaway sends on its own. Texts: generate_conversations.py."""

from math import exp
from random import Random
from typing import NamedTuple

from hostaway_pipeline.sandbox.world.objects import Automation

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
NIGHT_ENDS, NIGHT_BEGINS = 7, 22
"""Hours in UTC between which hosts sleep."""
CONFIRMATION = Automation(7101, "reservationCreated", 0)
CHECK_IN = Automation(7102, "checkIn", -DAY)


class Subject(NamedTuple):
    """What a conversation is about, in Unix seconds; without a booking both last ones are None."""

    begun_at: int
    booked_at: int | None = None
    arrives_at: int | None = None


class Moment(NamedTuple):
    """A message that was sent."""

    at: int
    is_incoming: bool
    automation: Automation | None = None


def moments(rng: Random, subject: Subject, size: int, now: int) -> list[Moment]:
    """When `size` messages were sent, all of them by `now`: the guest begins, and the host answers most of the time."""
    made = automated(rng, subject, size, now)
    at, is_incoming = subject.begun_at, True
    for left in range(size - len(made), 0, -1):
        wait = MINUTE + int(rng.random() ** 3 * 4 * DAY) if is_incoming else answer_delay(rng, at)
        at += min(wait, max(0, now - at) // left)
        made.append(Moment(at, is_incoming))
        is_incoming = not is_incoming if rng.random() < 0.85 else is_incoming
    return made


def automated(rng: Random, subject: Subject, size: int, now: int) -> list[Moment]:
    """A confirmation of the booking, and the day before arrival how to come in."""
    made: list[Moment] = []
    if subject.booked_at is not None and size > 1 and rng.random() < 0.6:
        at = min(now, subject.booked_at + 20 + int(rng.random() * 100))
        made.append(Moment(at, False, CONFIRMATION))
    if subject.arrives_at is not None and size > 3 and subject.begun_at < subject.arrives_at - DAY <= now:
        made.append(Moment(subject.arrives_at - DAY, False, CHECK_IN))
    return made


def answer_delay(rng: Random, asked_at: int) -> int:
    """Seconds: about half an hour by day, now and then much longer; what is asked at night waits for the morning."""
    delay = int(25 * MINUTE * exp(rng.gauss(0, 1.1))) + 20
    answered_at = asked_at + delay
    hour = answered_at % DAY // HOUR
    if NIGHT_ENDS <= hour < NIGHT_BEGINS or rng.random() < 0.2:
        return delay
    morning = answered_at - answered_at % DAY + (NIGHT_ENDS * HOUR if hour < NIGHT_ENDS else DAY + NIGHT_ENDS * HOUR)
    return morning - asked_at + int(rng.random() * 90 * MINUTE)
