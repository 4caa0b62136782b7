"""Which of two contents of one object is newer, where Hostaway's clock may run ahead, go back or be missing.

`store/queries/merge.sql` states `is_newer` again in SQL, because the statement that writes must decide by itself; a
test holds the two against each other.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

# How far Hostaway's clock may lie ahead of the database's before its times are not believed.
SKEW = timedelta(seconds=60)
# HOSTAWAY_CLOCK_TRUST: between contents that were heard of within this span, Hostaway's clock decides.
CLOCK_TRUST = timedelta(seconds=300)


@dataclass(frozen=True, slots=True)
class Version:
    """When a content is from. `source_updated_at`: Hostaway's time, None when it has none or is not believed.

    `read_at`: when the content was asked for (a read) or received (an event), by the database's clock; None: unknown.
    """

    source_updated_at: datetime | None
    read_at: datetime | None
    is_deleted: bool = False


def plausible_time(said_at: datetime | None, read_at: datetime | None) -> datetime | None:
    """Hostaway's time, unless it lies ahead of the moment at which the content was asked for or received."""
    if said_at is not None and read_at is not None and said_at > read_at + SKEW:
        return None
    return said_at


def is_newer(incoming: Version, stored: Version, *, is_read: bool, trust: timedelta) -> bool:
    """Whether `incoming` replaces `stored`. Equal age counts as newer: what came last stays.

    A read that was asked for later than the trust span after what is stored is the truth, whatever its clock says.
    Within the span, and for events, which may come late, Hostaway's clock decides; where it cannot, the later question
    does. A row that is stored as deleted was proven missing: only a later question brings it back.
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
    """Whether a content that was discarded as older was heard of later: one of the two clocks is wrong."""
    return is_later(discarded.read_at, kept.read_at)


def is_later(one: datetime | None, other: datetime | None, *, by: timedelta = timedelta(0)) -> bool:
    """False where either is unknown."""
    return one is not None and other is not None and one > other + by
