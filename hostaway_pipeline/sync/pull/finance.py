"""Reads finance lines by id for reservations whose lines are not known: lists may lack what webhooks carry.

A refresh reads some, the latest stays first, until none are missing. Where lists carry the lines, none ever are.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from functools import partial

import structlog

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import finance_path
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.errors import Aborted, ApiError, InvalidCredentials, RateLimited, TransientApiError
from hostaway_pipeline.store.copy.finance import FinanceAnswer
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.sync.pull.progress import Progress

log = structlog.get_logger(__name__)
# Reservations read in one refresh, one call each: a share of the account's budget that other work does not notice.
MOST_READS = 100
# After this many reservations in a row without an answer, a probe tells whether the API is down.
_MAX_FAILURES = 3
_WHAT = "finance lines"


def read_finance(client: HostawayClient, writer: PullWriter, pool: Executor, progress: Progress) -> Counts:
    """Read, and store what arrived batch by batch. Returns how many reservations changed.

    Raises an ApiError when the API is down; any other failure concerns one reservation, which is tried again in a day.
    """
    ids, updated, failures = writer.finance_to_read(MOST_READS), 0, 0
    if ids:
        progress.expect(_WHAT, len(ids))
    for batch in _batches(ids, client.concurrency):
        answers = dict(zip(batch, pool.map(partial(_ask, client), batch), strict=True))
        for row_id, answer in answers.items():
            failures = failures + 1 if isinstance(answer, TransientApiError) else 0
            if isinstance(answer, ApiError):
                log.warning("finance lines not read", account_id=client.account_id, id=row_id, error=str(answer))
        if failures >= _MAX_FAILURES:
            client.probe()
            failures = 0
        found = {row_id: answer for row_id, answer in answers.items() if isinstance(answer, FinanceAnswer)}
        updated += writer.apply_finance(found, answers.keys() - found.keys()).updated
        progress.advance(_WHAT, len(batch))
    return Counts(updated=updated)


def _ask(client: HostawayClient, reservation_id: int) -> FinanceAnswer | ApiError:
    """Raises what does not concern this reservation alone."""
    try:
        page = client.page(finance_path(reservation_id), {})
    except (Aborted, RateLimited, InvalidCredentials):
        raise
    except ApiError as error:
        return error
    return FinanceAnswer(page.rows, page.read_at)


def _batches(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    yield from (ids[start : start + size] for start in range(0, len(ids), size))
