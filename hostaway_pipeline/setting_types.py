"""The types of settings: how a text of the environment is read, and why it is refused."""

import re
from datetime import timedelta
from fractions import Fraction
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from hostaway_pipeline.domain.cadences import LONGEST, SHORTEST
from hostaway_pipeline.domain.durations import Window, duration_text, parse_duration
from hostaway_pipeline.domain.limits import RateLimit

_MIN_API_KEY_LENGTH = 16


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


def _alert_url(value: SecretStr) -> SecretStr:
    _http_url(value.get_secret_value())
    return value


def _public_url(value: str) -> str:
    """Hostaway delivers only to https and a domain without a port; a sandbox on this machine delivers anywhere."""
    parts = urlsplit(value)
    is_local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if not is_local and (parts.scheme != "https" or not parts.hostname or parts.port is not None):
        raise ValueError("must be https:// with a domain name and no port (or http://127.0.0.1:… with a sandbox)")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no credentials and no query")
    return value.rstrip("/")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name.strip())
    except (ValueError, ZoneInfoNotFoundError, OSError):
        raise ValueError("must be a time zone such as UTC or Europe/Berlin") from None


def _period(value: timedelta) -> timedelta:
    if not SHORTEST <= value <= LONGEST:
        raise ValueError(f"must be from {duration_text(SHORTEST)} to {duration_text(LONGEST)}")
    return value


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
Duration = Annotated[timedelta, NoDecode, BeforeValidator(lambda v: parse_duration(v) if isinstance(v, str) else v)]
Period = Annotated[Duration, AfterValidator(_period)]
DayWindow = Annotated[Window, NoDecode, BeforeValidator(lambda v: Window.parse(v) if isinstance(v, str) else v)]
Zone = Annotated[ZoneInfo, NoDecode, BeforeValidator(lambda v: _zone(v) if isinstance(v, str) else v)]
ApiKeys = Annotated[SecretStr, AfterValidator(_api_keys)]
AlertUrl = Annotated[SecretStr, AfterValidator(_alert_url)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
