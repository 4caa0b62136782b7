"""Limits how many runs of the pool for bulk work may run at once. dagster.yaml has the limit."""

from dagster import DagsterInstance

from hostaway_pipeline.defs.keys import BULK_POOL


def limit_bulk(instance: DagsterInstance) -> None:
    """Give the pool its default limit before the first runs in it are requested.

    Dagster's queue gives an unknown pool the default limit as well, but launches all runs of that pass without a limit.
    A limit that was set by hand stays.
    """
    storage = instance.event_log_storage
    if instance.global_op_concurrency_default_limit is not None and BULK_POOL not in storage.get_concurrency_keys():
        storage.initialize_concurrency_limit_to_default(BULK_POOL)
