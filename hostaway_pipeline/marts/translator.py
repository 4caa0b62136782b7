"""How dbt's nodes appear in Dagster: keys, groups, descriptions and tables."""

from collections.abc import Mapping
from typing import Any

from dagster import AssetKey
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings

# Two tables of one entity, such as reservations and their finance lines, are one asset of the first code location.
_SETTINGS = DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True)


class MartsTranslator(DagsterDbtTranslator):
    """A model is `schema/name`, in the group of its schema. The key of a source is in its yml, next to its table."""

    def __init__(self) -> None:
        super().__init__(_SETTINGS)

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return super().get_asset_key(dbt_resource_props)
        return AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return str(dbt_resource_props["schema"])

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Without the SQL, which dbt's own description appends."""
        return str(dbt_resource_props["description"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return ["team:data-platform"]

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """The table's name without its database: the manifest is made without one."""
        table = f"{dbt_resource_props['schema']}.{dbt_resource_props.get('alias') or dbt_resource_props['name']}"
        return {**super().get_metadata(dbt_resource_props), "dagster/table_name": table}
