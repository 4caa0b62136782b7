"""Decides which of two contents of one object is newer. Hostaway's clock may run ahead, go back or be missing.

store/queries/merge.sql repeats `is_newer`, because the statement that writes has to decide at that moment; a test
checks that the two agree.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

# A time of Hostaway's that is further ahead of the database's clock than this is discarded as implausible.
SKEW = timedelta(seconds=60)
# Default of HOSTAWAY_CLOCK_TRUST: Hostaway's clock decides between contents that came within this span.
CLOCK_TRUST = timedelta(seconds=300)


@dataclass(frozen=True, slots=True)
class Version:
    """The age of a content. `source_updated_at`: by Hostaway's clock; None when it is missing or implausible.

    `read_at`: when the content was requested (a read) or received (an event), by the database's clock; None: unknown.
    """

    source_updated_at: datetime | None
    read_at: datetime | None
    is_deleted: bool = False


def plausible_time(source_time: datetime | None, read_at: datetime | None) -> datetime | None:
    """Hostaway's time; None when it lies more than SKEW after the request for the content, or its receipt."""
    if source_time is not None and read_at is not None and source_time > read_at + SKEW:
        return None
    return source_time


def is_newer(incoming: Version, stored: Version, *, is_read: bool, trust: timedelta) -> bool:
    """Whether `incoming` replaces `stored`. At equal age it does: the last to arrive stays.

    A read that was requested more than `trust` after the stored content wins, whatever Hostaway's clock says. Within
    that span, and for events, which may come late, Hostaway's clock decides; where it cannot, the later `read_at`
    does. A row that is stored as deleted was proven missing: only a later `read_at` brings it back.
    """
    if stored.is_deleted and (is_read or is_later(stored.read_at, incoming.read_at)):
        return not is_later(stored.read_at, incoming.read_at)
    if is_read and is_later(incoming.read_at, stored.read_at, by=trust):
        return True
    if is_later(incoming.source_updated_at, stored.source_updated_at):
        return True
    if is_later(stored.source_updated_at, incoming.source_updated_at):
        return False
    return not is_later(stored.read_at, incoming.read_at)


def is_doubtful(discarded: Version, kept: Version) -> bool:
    """Whether a content that was discarded as older has the later `read_at`: then one of the two clocks is wrong."""
    return is_later(discarded.read_at, kept.read_at)


def is_later(later: datetime | None, earlier: datetime | None, *, by: timedelta = timedelta(0)) -> bool:
    """Whether `later` lies more than `by` after `earlier`; False where either is unknown."""
    return later is not None and earlier is not None and later > earlier + by
