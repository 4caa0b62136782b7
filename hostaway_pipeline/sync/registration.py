"""The webhook at Hostaway: registered once, adopted when it is there already, re-enabled when Hostaway has disabled it.

Hostaway disables a webhook whose deliveries failed for five days in a row, and tells nobody but the alerting address.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.domain.values import as_bool, as_int
from hostaway_pipeline.errors import ApiError, GarbledBody, NotFound
from hostaway_pipeline.store.webhook_state import Credential
from hostaway_pipeline.sync.ports import Services

RECEIVER_PATH = "/webhooks/hostaway"
_PATH = "/webhooks/unifiedWebhooks"
# A delivery is retried within about an hour; the old password stays valid well beyond that.
ROTATION_OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Registration:
    """`was`: what had to be done, `created`, `adopted`, `enabled` or `unchanged`."""

    webhook_id: int
    was: str


def ensure_webhook(
    services: Services, client: HostawayClient, *, credential_moved: bool = False
) -> Registration | None:
    """Make Hostaway deliver this account's events to us. None when HOSTAWAY_PUBLIC_URL is not set.

    Safe to repeat: looks before it creates. `credential_moved`: tell Hostaway login and password in any case.
    Raises an ApiError; what is stored then still says what was true before.
    """
    url = receiver_url(services)
    if url is None:
        return None
    # Stored before Hostaway hears of it: its test delivery comes at once.
    credential = services.webhooks.ensure_credential(client.account_id)
    listed = client.page(_PATH, {"limit": 100}).rows
    present = next((webhook for webhook in listed if webhook.get("url") == url), None)
    if present is None:
        registration = Registration(_id(client.write("POST", _PATH, _wanted(url, credential))), "created")
    else:
        registration = _adopted(services, client, present, _wanted(url, credential), credential_moved)
    enabled = True
    if registration.was != "unchanged":
        enabled = bool(as_bool(client.one(f"{_PATH}/{registration.webhook_id}").payload.get("isEnabled")))
    services.webhooks.registered(client.account_id, registration.webhook_id, is_enabled=enabled)
    return registration


def remove_webhook(services: Services, client: HostawayClient) -> bool:
    """Delete our registration at Hostaway; False when there was none. Raises an ApiError."""
    webhook_id = services.webhooks.state(client.account_id).webhook_id
    if webhook_id is None:
        return False
    with suppress(NotFound):
        client.write("DELETE", f"{_PATH}/{webhook_id}")
    services.webhooks.registered(client.account_id, None, is_enabled=None)
    return True


def rotate_password(services: Services, client: HostawayClient) -> Registration | None:
    """A new login and password; the old ones are accepted for another day. Raises an ApiError: then both still are."""
    services.webhooks.rotate(client.account_id, ROTATION_OVERLAP)
    return ensure_webhook(services, client, credential_moved=True)


def receiver_url(services: Services) -> str | None:
    base = services.settings.public_url
    return None if base is None else base + RECEIVER_PATH


def _adopted(
    services: Services,
    client: HostawayClient,
    present: Mapping[str, Any],
    wanted: Mapping[str, Any],
    credential_moved: bool,
) -> Registration:
    webhook_id, is_enabled = _id(present), bool(as_bool(present.get("isEnabled")))
    is_ours = services.webhooks.state(client.account_id).webhook_id == webhook_id
    if is_enabled and is_ours and not credential_moved and present.get("login") == wanted["login"]:
        return Registration(webhook_id, "unchanged")
    client.write("PUT", f"{_PATH}/{webhook_id}", wanted)
    return Registration(webhook_id, "adopted" if is_enabled else "enabled")


def _wanted(url: str, credential: Credential) -> dict[str, Any]:
    return {"isEnabled": 1, "url": url, "login": credential.login, "password": credential.password}


def _id(webhook: Mapping[str, Any]) -> int:
    webhook_id = as_int(webhook.get("id"))
    if webhook_id is None:
        raise GarbledBody(f"{_PATH}: a webhook without an id")
    return webhook_id


def try_webhook(services: Services, client: HostawayClient) -> str | None:
    """`ensure_webhook` for those whose work goes on without: returns what went wrong, in a line."""
    try:
        ensure_webhook(services, client)
    except ApiError as error:
        return str(error)
    return None
