"""The asset job `sync_account`: the complete sync of one account, checks included."""

from dagster import AssetSelection, define_asset_job

from hostaway_pipeline.defs.keys import BULK, entity_key
from hostaway_pipeline.domain.entities import ENTITIES

sync_account = define_asset_job(
    "sync_account",
    selection=AssetSelection.assets(*(entity_key(entity) for entity in ENTITIES)),
    tags=BULK,
    description="Reads all listings, reservations, conversations and messages of one account; then runs the checks.",
)
