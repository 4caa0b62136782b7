"""Settings that are secret may stand in files, as container secrets and vault agents provide them.

HOSTAWAY_API_KEYS_FILE names the file that holds the value of HOSTAWAY_API_KEYS, and so on.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from hostaway_pipeline.errors import ConfigurationError

_LARGEST = 65536


class SecretFiles(PydanticBaseSettingsSource):
    """`variables`: those of the environment and of `.env`, with names in lower case."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str | None]) -> None:
        super().__init__(settings_cls)
        self._variables = variables

    def __call__(self) -> dict[str, Any]:
        """Raises ConfigurationError when a file cannot be read, or a setting has both a file and a value."""
        prefix = self.config.get("env_prefix", "").lower()
        found: dict[str, Any] = {}
        for name in self.settings_cls.model_fields:
            path = self._variables.get(f"{prefix}{name}_file")
            if not path or not is_secret(self.settings_cls, name):
                continue
            if self._variables.get(f"{prefix}{name}"):
                variable = f"{prefix}{name}".upper()
                raise ConfigurationError(f"{variable} and {variable}_FILE are both set: set one of them")
            found[name] = _content(f"{prefix}{name}_file".upper(), Path(path))
        return found

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # `__call__` does not ask for single fields


class SettingsWithFiles(BaseSettings):
    """Settings whose secrets are also looked for in files."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        variables = {
            key: value
            for source in (dotenv_settings, env_settings)
            if isinstance(source, EnvSettingsSource)
            for key, value in source.env_vars.items()
        }
        return init_settings, env_settings, dotenv_settings, SecretFiles(settings_cls, variables)


def is_secret(settings_cls: type[BaseSettings], name: str) -> bool:
    return "SecretStr" in str(settings_cls.model_fields[name].annotation)


def _content(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1).decode().strip()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{variable}: {path} is not valid UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{variable}: {path} cannot be read ({error.strerror})") from None
    if not content or len(content) > _LARGEST:
        raise ConfigurationError(f"{variable}: {path} is {'too large' if content else 'empty'}")
    return content
