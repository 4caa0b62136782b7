"""Every setting of the project, read from the environment (and `.env`) here and nowhere else.

What belongs elsewhere: what the settings are turned into (wiring.py).
"""

import socket
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.errors import ConfigurationError


def _postgres_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("postgresql://", "postgres://", "postgresql+")):
        raise ValueError("must start with postgresql://")
    return value


def _share(text: str) -> float:
    try:
        return float(Fraction(text.replace(" ", "")))
    except (ValueError, ZeroDivisionError):
        raise ValueError("must be a number from 0 to 1, such as 1/30") from None


def _http_url(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError("must start with https:// (or http:// for a sandbox)")
    return value.rstrip("/")


Limit = Annotated[RateLimit, NoDecode, BeforeValidator(lambda v: RateLimit.parse(v) if isinstance(v, str) else v)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
Share = Annotated[float, NoDecode, BeforeValidator(lambda v: _share(v) if isinstance(v, str) else v)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]


class Settings(BaseSettings):
    """Values carry their units in their descriptions; `.env.example` is generated from them."""

    model_config = SettingsConfigDict(
        env_prefix="HOSTAWAY_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: PostgresUrl | None = Field(
        None, description="Postgres 14 or later. Unset: an embedded Postgres under HOSTAWAY_HOME."
    )
    dagster_database_url: PostgresUrl | None = Field(
        None, description="Where Dagster keeps runs and events. Unset: database `dagster` on the same server."
    )
    home: Path = Field(
        Path(".hostaway"), description="Folder of the embedded Postgres, its key file and Dagster's logs."
    )
    api_url: HttpUrl = Field("https://api.hostaway.com/v1", description="Base URL of the Hostaway API.")
    encryption_keys: SecretStr | None = Field(
        None,
        description="Keys for secrets at rest, `id:key`, comma-separated, the first is active "
        "(`hostaway keys generate`). Required unless the embedded Postgres is used.",
    )
    rate_limit_ip: Limit = Field(RateLimit(200, 10), description="Requests per seconds from one outgoing IP address.")
    rate_limit_account: Limit = Field(RateLimit(200, 10), description="Requests per seconds for one account.")
    egress: str = Field(
        default_factory=socket.gethostname,
        description="Name of the outgoing IP address: processes that share it share its rate limit. "
        "Unset: the host's name.",
    )
    concurrency: int = Field(32, ge=1, le=128, description="Requests under way at once within one account.")
    read_timeout: float = Field(30.0, gt=0, description="Seconds to wait for Hostaway's answer before trying again.")
    max_delete_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Largest share of an account's rows that one sync may mark as deleted without being told to.",
    )
    reread_share: Share = Field(
        1 / 30,
        ge=0,
        le=1,
        description="Part of the conversations whose markers stand still that is read again per day, such as 1/30; "
        "finds edits that move no marker. 0: none.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")


def load_settings() -> Settings:
    """Read the environment. Raises ConfigurationError with one line that names the first wrong variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "HOSTAWAY_" + str(first["loc"][0]).upper()
        raise ConfigurationError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None
