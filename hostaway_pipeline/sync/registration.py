"""Keeps an account's webhook at Hostaway: creates it once, adopts one that exists, re-enables one that is disabled.

Hostaway disables a webhook whose deliveries failed for five days in a row, and notifies only the alerting address.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import REGISTERED_WEBHOOKS, WEBHOOKS, webhook_path
from hostaway_pipeline.domain.values import as_bool, as_int
from hostaway_pipeline.errors import ApiError, GarbledBody, NotFound
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.accounts.webhooks import Credential, Webhooks

RECEIVER_PATH = "/webhooks/hostaway"
# Hostaway retries a delivery within about an hour; the old password stays valid well beyond that.
ROTATION_OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Registration:
    """The webhook's id, and what was done: `created`, `adopted`, `enabled` or `unchanged`."""

    webhook_id: int
    action: str


def ensure_webhook(
    services: Services, client: HostawayClient, *, credential_moved: bool = False
) -> Registration | None:
    """Make Hostaway deliver this account's events to us. None when HOSTAWAY_PUBLIC_URL is not set.

    Safe to repeat: looks before it creates, and deletes duplicates. `credential_moved`: write login and password in any
    case. Raises an ApiError; the stored state is then unchanged.
    """
    url = receiver_url(services.settings)
    if url is None:
        return None
    with services.webhook_lock(client.account_id):
        return _ensure(services.webhooks, client, url, credential_moved=credential_moved)


def remove_webhook(webhooks: Webhooks, client: HostawayClient, url: str | None) -> bool:
    """Delete our registration at Hostaway; False when there was none. Raises an ApiError.

    `url`: our receiver's. A webhook with it is deleted even if it is not stored here: the answer to creating it may
    have been lost.
    """
    known_id = webhooks.state(client.account_id).webhook_id
    if known_id is None and url is None:
        return False
    present = {_id(webhook) for webhook in _ours(client, url, known_id)}
    for webhook_id in present:
        _delete(client, webhook_id)
    webhooks.record_registration(client.account_id, None, is_enabled=None)
    return bool(present)


def rotate_password(services: Services, client: HostawayClient) -> Registration | None:
    """Issue a new login and password; the old ones stay valid for another day. Raises an ApiError: both then are valid.

    First makes sure that Hostaway has the present pair: only two pairs are kept, and a third could lock it out.
    """
    if ensure_webhook(services, client) is None:
        return None
    services.webhooks.rotate(client.account_id, ROTATION_OVERLAP)
    return ensure_webhook(services, client, credential_moved=True)


def receiver_url(settings: Settings) -> str | None:
    base = settings.public_url
    return None if base is None else base + RECEIVER_PATH


def _ensure(webhooks: Webhooks, client: HostawayClient, url: str, *, credential_moved: bool) -> Registration:
    # Stored before it is sent to Hostaway, whose test delivery comes at once.
    credential = webhooks.ensure_credential(client.account_id)
    known_id = webhooks.state(client.account_id).webhook_id
    ours = _ours(client, url, known_id)
    if not ours:
        registration = Registration(_id(client.write("POST", WEBHOOKS, _wanted(url, credential))), "created")
    else:
        is_current = not credential_moved and _id(ours[0]) == known_id
        registration = _adopt(client, ours[0], _wanted(url, credential), has_credential=is_current)
    for duplicate in ours[1:]:
        _delete(client, _id(duplicate))
    enabled = True
    if registration.action != "unchanged":
        enabled = bool(as_bool(client.get_object(webhook_path(registration.webhook_id)).payload.get("isEnabled")))
    webhooks.record_registration(client.account_id, registration.webhook_id, is_enabled=enabled)
    return registration


def _ours(client: HostawayClient, url: str | None, known_id: int | None) -> list[Mapping[str, Any]]:
    """The webhooks that deliver to us, the stored one first, even if it still has an earlier URL of ours."""
    listed = list(_list_webhooks(client))
    known = [webhook for webhook in listed if known_id is not None and _id(webhook) == known_id]
    return known + [webhook for webhook in listed if webhook.get("url") == url and webhook not in known]


def _list_webhooks(client: HostawayClient) -> Iterator[Mapping[str, Any]]:
    """Every webhook of the account; a page may hold fewer than its limit."""
    seen: set[int] = set()
    for page in client.pages(REGISTERED_WEBHOOKS):
        fresh = [webhook for webhook in page.rows if _id(webhook) not in seen]
        yield from fresh
        seen |= {_id(webhook) for webhook in fresh}
        if not fresh or (page.count is not None and len(seen) >= page.count):
            return


def _adopt(
    client: HostawayClient, present: Mapping[str, Any], wanted: Mapping[str, Any], *, has_credential: bool
) -> Registration:
    """Update an existing webhook where it differs. `has_credential`: Hostaway has the present login and password."""
    webhook_id, is_enabled = _id(present), bool(as_bool(present.get("isEnabled")))
    if is_enabled and has_credential and all(present.get(key) == wanted[key] for key in ("url", "login")):
        return Registration(webhook_id, "unchanged")
    client.write("PUT", webhook_path(webhook_id), wanted)
    return Registration(webhook_id, "adopted" if is_enabled else "enabled")


def _delete(client: HostawayClient, webhook_id: int) -> None:
    with suppress(NotFound):
        client.write("DELETE", webhook_path(webhook_id))


def _wanted(url: str, credential: Credential) -> dict[str, Any]:
    return {"isEnabled": 1, "url": url, "login": credential.login, "password": credential.password}


def _id(webhook: Mapping[str, Any]) -> int:
    webhook_id = as_int(webhook.get("id"))
    if webhook_id is None:
        raise GarbledBody(f"{WEBHOOKS}: a webhook without an id")
    return webhook_id


def try_webhook(services: Services, client: HostawayClient) -> str | None:
    """`ensure_webhook` for callers that go on without one: returns the error as a line, or None."""
    try:
        ensure_webhook(services, client)
    except ApiError as error:
        return str(error)
    return None
