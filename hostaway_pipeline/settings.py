"""Every setting of the project. Only this module reads the environment (and `.env`).

wiring.py builds the objects that the settings describe.
"""

import os
import re
import socket
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hostaway_pipeline.domain.clocks import CLOCK_TRUST
from hostaway_pipeline.domain.deletions import DEFAULT_DELETE_SHARE
from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.errors import ConfigurationError

_MIN_API_KEY_LENGTH = 16
# What container runtimes leave in the file system, and the names by which a control group shows them.
_CONTAINER_FILES = (".dockerenv", "run/.containerenv")
_CONTAINER_GROUP = re.compile("docker|kubepods|containerd|libpod|lxc")


def _postgres_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("postgresql://", "postgres://", "postgresql+")):
        raise ValueError("must start with postgresql://")
    if value.get_secret_value().count("@") > 1:  # the rest of the password would be taken for the host name, and shown
        raise ValueError("holds more than one @: in a name or password it is written %40")
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


def _public_url(value: str) -> str:
    """Hostaway delivers only to https and a domain without a port; a sandbox on this machine delivers anywhere."""
    parts = urlsplit(value)
    is_local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if not is_local and (parts.scheme != "https" or not parts.hostname or parts.port is not None):
        raise ValueError("must be https:// with a domain name and no port (or http://127.0.0.1:… with a sandbox)")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no credentials and no query")
    return value.rstrip("/")


def _api_keys(value: SecretStr) -> SecretStr:
    for key in filter(None, (part.strip() for part in value.get_secret_value().split(","))):
        is_hash = re.fullmatch("sha256:[0-9a-f]{64}", key) is not None
        if key.startswith("sha256:") and not is_hash:
            raise ValueError("sha256: must be followed by 64 hex digits in lower case")
        if not is_hash and len(key) < _MIN_API_KEY_LENGTH:
            raise ValueError(f"each key must have {_MIN_API_KEY_LENGTH} characters or more")
    return value


Limit = Annotated[RateLimit, NoDecode, BeforeValidator(lambda v: RateLimit.parse(v) if isinstance(v, str) else v)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
Share = Annotated[float, NoDecode, BeforeValidator(lambda v: _share(v) if isinstance(v, str) else v)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
ApiKeys = Annotated[SecretStr, AfterValidator(_api_keys)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]


class Settings(BaseSettings):
    """The descriptions state the units; `.env.example` is generated from them (tests/unit/test_env_example.py)."""

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
    rate_limit_ip: Limit = Field(
        RateLimit(200, 10), description="Rate limit of one outgoing IP address, as requests/seconds."
    )
    rate_limit_account: Limit = Field(RateLimit(200, 10), description="Rate limit of one account, as requests/seconds.")
    egress: str = Field(
        default_factory=socket.gethostname,
        description="Name of the outgoing IP address; processes with the same name share its rate limit. "
        "Unset: the host's name. Required in a container with HOSTAWAY_DATABASE_URL.",
    )
    concurrency: int = Field(32, ge=1, le=128, description="Concurrent requests of one account.")
    read_timeout: float = Field(
        30.0,
        gt=0,
        description="Seconds to wait for the next byte of Hostaway's answer before a retry; a whole answer may take "
        "twice as long.",
    )
    clock_trust: float = Field(
        CLOCK_TRUST.total_seconds(),
        gt=0,
        description="Seconds within which Hostaway's clock decides which content is newer. A read that was requested "
        "later than that after the stored content always wins.",
    )
    send_patience: float = Field(
        600.0,
        gt=0,
        description="Seconds after an unclear answer during which a message may still arrive at Hostaway. Only after "
        "that may it be sent again, when the caller asks for it.",
    )
    max_delete_share: float = Field(
        DEFAULT_DELETE_SHARE,
        ge=0,
        le=1,
        description="Largest share of an account's rows in one table that may be marked as deleted in a day, unless "
        "`--allow-mass-delete` is given; 5 rows always may. 0: none.",
    )
    reread_share: Share = Field(
        1 / 30,
        ge=0,
        le=1,
        description="Share of the conversations without new messages that is read again per day, such as 1/30, to "
        "find edited messages. 0: none.",
    )
    sync_calendar: bool = Field(
        False,
        description="Whether Dagster has the asset `hostaway/calendar`: price and availability per listing and day, "
        "one call per listing. `hostaway sync ID --entities calendar` reads them in any case.",
    )
    api_keys: ApiKeys | None = Field(
        None,
        description="Bearer keys of our own API, comma-separated, each of 16 characters or more; or `sha256:` and the "
        "hex hash of a key. Unset: all requests are refused.",
    )
    public_url: PublicUrl | None = Field(
        None,
        description="URL at which Hostaway reaches the receiver, such as https://hooks.example.com. Unset: no webhook "
        "is registered.",
    )
    webhook_signature_header: str | None = Field(
        None,
        description="Header in which a signing proxy in front of the receiver sends the HMAC-SHA256 of the body, in "
        "hex. Unset: not checked.",
    )
    webhook_signature_secrets: SecretStr | None = Field(
        None, description="Secrets of these signatures, comma-separated; a signature by any of them is valid."
    )
    events_kept_days: int = Field(30, ge=1, description="Days after which applied webhook events are deleted.")
    runs_kept_days: int = Field(
        30,
        ge=1,
        description="Days after which finished runs are deleted from Dagster's storage; the newest of each partition "
        "stay.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level that is logged.")

    @model_validator(mode="after")
    def _signatures_are_whole(self) -> Self:
        if (self.webhook_signature_header is None) != (self.webhook_signature_secrets is None):
            raise ValueError(
                "HOSTAWAY_WEBHOOK_SIGNATURE_HEADER and HOSTAWAY_WEBHOOK_SIGNATURE_SECRETS go together: set both or none"
            )
        return self


def as_environment(settings: Settings) -> dict[str, str]:
    """The environment variables that give another process these settings; those at their default are left out."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    shown = {name: v.get_secret_value() if isinstance(v, SecretStr) else v for name, v in values.items()}
    return {f"HOSTAWAY_{name.upper()}": str(value) for name, value in shown.items() if value is not None}


def in_container(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process runs in a container, as far as `root` and the environment show."""
    if "KUBERNETES_SERVICE_HOST" in environ or any((root / name).exists() for name in _CONTAINER_FILES):
        return True
    # Neither Podman's nor containerd's namespaces show in their own control group; the layered root does.
    mounts = (line.split() for line in _text(root / "proc/self/mountinfo").splitlines())
    is_layered = any(mount[4:5] == ["/"] and "overlay" in mount[6:] for mount in mounts)
    return is_layered or _CONTAINER_GROUP.search(_text(root / "proc/self/cgroup")) is not None


def _text(path: Path) -> str:
    """The content of a file; an empty string where there is none, as on macOS."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def load_settings(is_contained: Callable[[], bool] = in_container) -> Settings:
    """Read the environment. Raises ConfigurationError: one line that names the first wrong variable."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        text = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # about several variables: the text names them
            raise ConfigurationError(text) from None
        raise ConfigurationError(f"HOSTAWAY_{str(first['loc'][0]).upper()}: {text}") from None
    # Each container has a host name of its own, and would take the whole budget of an IP address that it shares.
    if settings.database_url is not None and "egress" not in settings.model_fields_set and is_contained():
        raise ConfigurationError(
            "HOSTAWAY_EGRESS is not set, and a container's name does not tell its outgoing IP address: set the same "
            "name, such as egress-1, for all processes behind one address"
        )
    return settings
