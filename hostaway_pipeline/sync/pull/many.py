"""Several accounts: each by itself, some at a time. One account's failure never stops another's."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

from hostaway_pipeline.errors import PipelineError, UnexpectedError
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.pull.run import PullRequest, Report, pull

# Beyond a few accounts the outgoing IP's limit is what all of them wait for.
AT_ONCE = 4


def pull_many(services: Services, requests: Iterable[PullRequest]) -> Iterator[Report]:
    """Reports in the order in which the accounts end; an account that could not even start has one, too.

    Whoever is interrupted, or takes no more reports, aborts the services: syncs under way end at once as interrupted.
    """
    with ThreadPoolExecutor(AT_ONCE, "account") as pool:
        syncs = [pool.submit(_one, services, request) for request in requests]
        try:
            for done in as_completed(syncs):
                yield done.result()
        except BaseException:
            for sync in syncs:
                sync.cancel()
            services.abort()
            raise


def _one(services: Services, request: PullRequest) -> Report:
    try:
        return pull(services, request)
    except PipelineError as error:
        return Report(request.account_id, status="failed", error=error)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is this account's)
        return Report(request.account_id, status="failed", error=UnexpectedError.of(error))
