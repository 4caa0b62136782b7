"""Reads the newest changes of the reservations, from the head of the list to the last known change. Not a sweep."""

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import NEWEST_RESERVATIONS
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import RESERVATIONS
from hostaway_pipeline.domain.values import newest
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.sync.pull.progress import Progress
from hostaway_pipeline.sync.pull.sweep import Outcome


def read_newest(client: HostawayClient, writer: PullWriter, progress: Progress) -> Outcome:
    """Merge changed reservations, newest first, and stop at the first row older than the stored `known_until`.

    Hostaway lists reservations by `updatedOn DESC`, so all rows behind that one are known. Deletions do not show at the
    head, so nothing is said about them. Without an earlier complete read there is no `known_until`: all is read.
    """
    known, counts, seen = writer.known_until(RESERVATIONS), Counts(), None
    progress.expect(RESERVATIONS.name, None)
    for page in client.pages_by_position(NEWEST_RESERVATIONS):
        rows = [row for payload in page.rows if (row := RESERVATIONS.row(payload, page.read_at)) is not None]
        counts += writer.merge(RESERVATIONS, rows)
        progress.advance(RESERVATIONS.name, len(rows))
        changed = [row.source_updated_at for row in rows]
        seen = newest(seen, *changed)
        if known is not None and any(instant is not None and instant < known for instant in changed):
            break
    if seen is not None:
        writer.advance_known_until(RESERVATIONS, seen)  # only now: an interrupted read must not hide its gap
    return Outcome(RESERVATIONS.name, counts)
