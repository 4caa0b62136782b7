"""Every setting of the project. Only this module reads the environment (and `.env`).

wiring.py builds the objects that the settings describe.
"""

import socket
from collections.abc import Callable
from datetime import time, timedelta
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from hostaway_pipeline.containers import in_container
from hostaway_pipeline.domain.cadences import TRAILS_EVERY, Plan
from hostaway_pipeline.domain.clocks import CLOCK_TRUST
from hostaway_pipeline.domain.deletions import DEFAULT_DELETE_SHARE
from hostaway_pipeline.domain.durations import Window, duration_text
from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.domain.vocabulary import Cadence
from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.secret_files import SettingsWithFiles
from hostaway_pipeline.setting_types import (
    AlertUrl,
    ApiKeys,
    DayWindow,
    Duration,
    HttpUrl,
    Limit,
    Period,
    PostgresUrl,
    PublicUrl,
    Share,
    Zone,
)


class Settings(SettingsWithFiles):
    """The descriptions state the units; `.env.example` is generated from them (tests/unit/test_env_example.py).

    Each secret one may come from a file instead: see secret_files.py.
    """

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
    time_zone: Zone = Field(ZoneInfo("UTC"), description="Time zone of nightly work, such as Europe/Berlin.")
    reconcile_window: DayWindow = Field(
        Window(time(2), timedelta(hours=6)),
        description="When each account is reconciled once a day, as start/length: spread over six hours from two "
        "o'clock on, in HOSTAWAY_TIME_ZONE.",
    )
    refresh_every: Period = Field(
        timedelta(minutes=15), description="Time between two refreshes of an account, such as 15m or 2h."
    )
    listings_every: Period = Field(
        timedelta(hours=8), description="Time between two reads of an account's listings, such as 8h."
    )
    calendar_every: Period = Field(
        timedelta(days=1),
        description="Time between two reads of an account's calendar, such as 1d, with HOSTAWAY_SYNC_CALENDAR only.",
    )
    refresh_share: Share = Field(
        0.8, gt=0, le=1, description="Largest share of the rate limit of an outgoing IP address that refreshes take."
    )
    trails_share: Share = Field(
        0.2,
        ge=0,
        le=1,
        description="Largest share of the rate limit of an outgoing IP address that reading audit trails takes: one "
        "call per reservation, once, for the time before it was copied. 0: they are not read.",
    )
    refresh_stale_after: Duration = Field(
        timedelta(hours=4), description="Age of the oldest refresh from which on the check `refresh_current` fails."
    )
    sweepers: int = Field(
        2, ge=1, le=64, description="Largest number of Dagster runs that sync due accounts at the same time."
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
    alert_url: AlertUrl | None = Field(
        None, description="URL to which each failed run is posted as JSON, such as a chat's incoming webhook."
    )
    events_kept_days: int = Field(30, ge=1, description="Days after which applied webhook events are deleted.")
    failed_events_kept_days: int = Field(180, ge=1, description="Days after which failed webhook events are deleted.")
    tombstones_kept_days: int = Field(
        180, ge=1, description="Days after which objects that Hostaway no longer has lose names, addresses and texts."
    )
    removed_accounts_kept_days: int | None = Field(
        None, ge=1, description="Days after which the rows of a removed account are deleted. Unset: they are kept."
    )
    runs_kept_days: int = Field(
        30,
        ge=1,
        description="Days after which finished runs and results of checks are deleted from Dagster's storage, and the "
        "records of syncs; the newest of each stay.",
    )
    versions_retention: Duration | None = Field(
        None,
        description="Age from which on superseded states of reservations and listings are deleted, such as 1095d. "
        "Unset: they are kept.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level that is logged.")

    @property
    def cadence_plan(self) -> Plan:
        """When accounts are due that have no schedule of their own."""
        periods: dict[Cadence, timedelta] = {"refresh": self.refresh_every, "listings": self.listings_every}
        if self.sync_calendar:
            periods["calendar"] = self.calendar_every
        if self.trails_share:
            periods["trails"] = TRAILS_EVERY
        return Plan(self.reconcile_window, self.time_zone, periods)

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
    return {f"HOSTAWAY_{name.upper()}": as_text(value) for name, value in values.items() if value is not None}


def as_text(value: object) -> str:
    """A setting as the environment holds it; empty for None."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return duration_text(value) if isinstance(value, timedelta) else str(value)


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
