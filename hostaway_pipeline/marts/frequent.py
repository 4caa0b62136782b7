"""What a frequent build consists of: everything that is not tagged `nightly` in the dbt project."""

from collections.abc import Mapping
from typing import Any

import orjson
from dagster import AssetCheckKey, AssetKey
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from hostaway_pipeline.marts.project import DbtProject
from hostaway_pipeline.marts.translator import MartsTranslator

_NIGHTLY = "nightly"
_ASSETS = frozenset({"model", "seed"})


def frequent_selection(project: DbtProject) -> tuple[list[AssetKey], list[AssetCheckKey]]:
    """The models and seeds, and the tests, of a frequent build, as Dagster knows them."""
    manifest = orjson.loads(project.manifest().read_bytes())
    translator = MartsTranslator()
    nodes = {key: node for key, node in manifest["nodes"].items() if _NIGHTLY not in node["tags"]}
    assets = [translator.get_asset_key(node) for node in nodes.values() if node["resource_type"] in _ASSETS]
    checks = [_check(manifest, translator, key) for key, node in nodes.items() if node["resource_type"] == "test"]
    return assets, [check for check in checks if check is not None]


def _check(manifest: Mapping[str, Any], translator: MartsTranslator, test: str) -> AssetCheckKey | None:
    return get_asset_check_key_for_test(manifest, translator, test, project=None)
