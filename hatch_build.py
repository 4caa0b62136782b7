"""Puts the dbt project and its manifest into a wheel: dbt must not parse, or write, where the wheel is installed."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DbtProjectHook(BuildHookInterface):  # type: ignore[type-arg]
    """An editable installation needs neither: it reads the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from hostaway_pipeline.marts.project import DbtProject, write_manifest  # noqa: PLC0415 (needs the path)

        self._scratch = tempfile.TemporaryDirectory()
        project = DbtProject(Path(self.root) / "dbt_models", Path(self._scratch.name))
        manifest = Path(self._scratch.name) / project.manifest_name
        write_manifest(project.folder, manifest)
        inside = {path: f"dbt_models/{path.relative_to(project.folder).as_posix()}" for path in project.files()}
        inside[manifest] = manifest.name
        build_data["force_include"].update({str(path): f"hostaway_pipeline/{name}" for path, name in inside.items()})

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self._scratch.cleanup()
