"""One account's unified webhooks and their delivery log. Sending: deliveries/dispatch.py; routes: api/webhooks.py."""

from collections import deque
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from hostaway_pipeline.sandbox.lookup import find
from hostaway_pipeline.sandbox.templates import Payload

LOG_KEPT = 20_000
BODY_KEPT = 200
MASK = "****"


def web_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("not an http(s) URL with a host")
    return url


def require_public(url: str) -> None:
    """Raises ValueError unless the URL is https, with a domain name and without a port, as Hostaway requires."""
    parts = urlsplit(url)
    top_level = (parts.hostname or "").rpartition(".")[2]
    if parts.scheme != "https" or parts.port is not None or not top_level.isalpha() or top_level == parts.hostname:
        raise ValueError("url must be https, with a domain name and without a port")


class Settings(BaseModel):
    """The settings of a webhook under Hostaway's names; unknown keys are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    is_enabled: bool = True
    url: Annotated[str, AfterValidator(web_url)]
    login: str | None = None
    password: str | None = Field(default=None, repr=False)
    alerting_email_address: str | None = None

    @classmethod
    def parse(cls, body: Payload) -> "Settings":
        """Raises ValueError with a text that names the key but does not repeat its value."""
        try:
            return cls.model_validate(body)
        except ValidationError as invalid:
            first = invalid.errors(include_input=False, include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None

    def payload(self) -> Payload:
        """The settings as Hostaway answers them, with the password masked."""
        hidden = {"isEnabled": int(self.is_enabled), "password": MASK if self.password is not None else None}
        return self.model_dump(by_alias=True) | hidden


@dataclass(slots=True, eq=False)
class Webhook:
    id: int
    settings: Settings
    failing_since: float | None = None
    """Monotonic seconds of the first failure after the last success."""
    is_deleted: bool = False

    @property
    def is_enabled(self) -> bool:
        return self.settings.is_enabled and not self.is_deleted

    def payload(self) -> Payload:
        return {"id": self.id, **self.settings.payload()}


class Event(NamedTuple):
    """A change of an object; `data` is the object as it was then."""

    event: str
    kind: str
    account_id: int
    data: Payload


class LogEntry(NamedTuple):
    """One delivery attempt; `status` is None when no answer came."""

    id: int
    webhook_id: int
    settings: Settings
    kind: str
    event: str
    account_id: int
    object_id: Any
    listing_id: Any
    status: int | None
    body: str

    def payload(self) -> Payload:
        hook = self.settings.payload()
        return {
            "id": self.id,
            "accountId": self.account_id,
            "listingMapId": self.listing_id,
            "webhookNotificationSettingId": self.webhook_id,
            **{name: hook[name] for name in ("isEnabled", "url", "login", "password")},
            "object": self.kind,
            "objectId": self.object_id,
            "event": self.event,
            "responseStatus": self.status,
            "responseBody": self.body,
        }


class Webhooks:
    """The webhooks of one account. Has a lock of its own: deliveries are logged while the account answers requests."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hooks: dict[int, Webhook] = {}
        self._log: deque[LogEntry] = deque(maxlen=LOG_KEPT)
        self._ids, self._log_ids = count(1), count(1)

    def all(self) -> list[Webhook]:
        with self._lock:
            return list(self._hooks.values())

    def enabled(self) -> list[Webhook]:
        """The webhooks that receive events."""
        # Runs at every change of an account, and most accounts have no webhook.
        return [hook for hook in self.all() if hook.is_enabled] if self._hooks else []

    def get(self, webhook_id: int) -> Webhook:
        """Raises NotFound."""
        return find(self._hooks, webhook_id)

    def add(self, settings: Settings) -> Webhook:
        """Add a webhook. The same URL twice makes two webhooks, as at Hostaway."""
        with self._lock:
            hook = Webhook(next(self._ids), settings)
            self._hooks[hook.id] = hook
            return hook

    def change(self, webhook_id: int, settings: Settings) -> Webhook:
        """Change a webhook; enabling it again clears its failures. Raises NotFound."""
        with self._lock:
            hook = find(self._hooks, webhook_id)
            if settings.is_enabled and not hook.settings.is_enabled:
                hook.failing_since = None
            hook.settings = settings
            return hook

    def remove(self, webhook_id: int) -> None:
        """Remove a webhook and give up its pending deliveries. Raises NotFound."""
        with self._lock:
            find(self._hooks, webhook_id).is_deleted = True
            del self._hooks[webhook_id]

    def record_success(self, hook: Webhook) -> None:
        with self._lock:
            hook.failing_since = None

    def record_failure(self, hook: Webhook, now: float, disable_after: float) -> None:
        """Disable a webhook that has only failed for `disable_after` seconds. `now` is monotonic."""
        with self._lock:
            if hook.failing_since is None:
                hook.failing_since = now
            elif now - hook.failing_since >= disable_after:
                hook.settings = hook.settings.model_copy(update={"is_enabled": False})

    def log(self, hook: Webhook, event: Event, status: int | None, body: str) -> None:
        """Log one attempt; `status` is None when no answer came."""
        with self._lock:
            about = event.data.get("id"), event.data.get("listingMapId")
            named = event.kind, event.event, event.account_id
            answer = status, body[:BODY_KEPT]
            self._log.append(LogEntry(next(self._log_ids), hook.id, hook.settings, *named, *about, *answer))

    def logged(self) -> list[LogEntry]:
        """The logged attempts, newest first; only the last LOG_KEPT are kept."""
        with self._lock:
            return list(reversed(self._log))
