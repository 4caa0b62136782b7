"""Names that the definitions share: asset keys, the asset group and run tags. Importing it builds no asset."""

from dagster import AssetKey

PREFIX = "hostaway"
GROUP = "hostaway"

# dagster.yaml limits the runs of each lane: bulk work leaves a slot free, so that webhook events never wait behind it.
LANE = "hostaway/lane"
BULK = {LANE: "bulk"}
WEBHOOKS = {LANE: "webhooks"}


def entity_key(entity: str) -> AssetKey:
    return AssetKey([PREFIX, entity])


def op_name(entity: str) -> str:
    """The name that Dagster gives the asset's op, to address it in run configuration."""
    return f"{PREFIX}__{entity}"
