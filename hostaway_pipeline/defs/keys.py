"""Names that the definitions share: asset keys and group, run tags, the pool. Importing it builds no asset."""

from dagster import AssetKey, DagsterRunStatus

PREFIX = "hostaway"
GROUP = "hostaway"

# What kind of work a run is. A run launched in the UI has no tags of ours: HostawayResource adds this one at its start.
LANE = "hostaway/lane"
BULK = {LANE: "bulk"}
# The second tag is for Celery workers (deploy/celery): their queue. All other runs are in the default queue, bulk.
WEBHOOKS = {LANE: "webhooks", "dagster-celery/queue": "webhooks"}
MARTS = {LANE: "marts"}
# Every asset and op except the drainer is in this pool. dagster.yaml limits how many runs may have steps in it, whoever
# launched them, to two less than all runs: so there is always room for the drainer and its successor.
BULK_POOL = "hostaway_bulk"
# A run in one of these still has its slot in Dagster's queue.
UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
# Of sweeper runs: whose due accounts they sync, and which of the HOSTAWAY_SWEEPERS places they have.
MODE, PLACE = "hostaway/mode", "hostaway/sweeper"
# The name of the account, of runs that have one account, beside its id in dagster/partition.
ACCOUNT = "hostaway/account"


def entity_key(entity: str) -> AssetKey:
    return AssetKey([PREFIX, entity])


def op_name(entity: str) -> str:
    """The name that Dagster gives the asset's op, to address it in run configuration."""
    return f"{PREFIX}__{entity}"
