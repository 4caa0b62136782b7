"""Jobs: named selections of assets. `sync_account` is one account's complete sync, checks included."""

from dagster import AssetSelection, define_asset_job

from hostaway_pipeline.defs.assets import entity_key
from hostaway_pipeline.defs.drainer import LANE
from hostaway_pipeline.domain.entities import ENTITIES

sync_account = define_asset_job(
    "sync_account",
    selection=AssetSelection.assets(*(entity_key(entity) for entity in ENTITIES)),
    tags={LANE: "bulk"},
    description="Read one account completely: listings, reservations, conversations, messages; then check the result.",
)
