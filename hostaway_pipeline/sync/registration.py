"""The webhook at Hostaway: registered once, adopted when it is there already, re-enabled when Hostaway has disabled it.

Hostaway disables a webhook whose deliveries failed for five days in a row, and tells nobody but the alerting address.
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
from hostaway_pipeline.store.accounts.webhooks import Credential

RECEIVER_PATH = "/webhooks/hostaway"
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

    Safe to repeat: looks before it creates, and deletes what delivers to us twice. `credential_moved`: tell Hostaway
    login and password in any case. Raises an ApiError; what is stored then still says what was true before.
    """
    url = receiver_url(services)
    if url is None:
        return None
    with services.webhook_lock(client.account_id):
        return _ensure(services, client, url, credential_moved=credential_moved)


def remove_webhook(services: Services, client: HostawayClient) -> bool:
    """Delete our registration at Hostaway; False when there was none. Raises an ApiError.

    Also one that is not known here: the answer to creating it may have been lost.
    """
    known_id, url = services.webhooks.state(client.account_id).webhook_id, receiver_url(services)
    if known_id is None and url is None:
        return False
    present = {_id(webhook) for webhook in _ours(client, url, known_id)}
    for webhook_id in present:
        _delete(client, webhook_id)
    services.webhooks.record_registration(client.account_id, None, is_enabled=None)
    return bool(present)


def rotate_password(services: Services, client: HostawayClient) -> Registration | None:
    """A new login and password; the old ones are accepted for another day. Raises an ApiError: then both still are.

    Hostaway knows the present ones first: only two pairs are kept, and a third could lock it out.
    """
    if ensure_webhook(services, client) is None:
        return None
    services.webhooks.rotate(client.account_id, ROTATION_OVERLAP)
    return ensure_webhook(services, client, credential_moved=True)


def receiver_url(services: Services) -> str | None:
    base = services.settings.public_url
    return None if base is None else base + RECEIVER_PATH


def _ensure(services: Services, client: HostawayClient, url: str, *, credential_moved: bool) -> Registration:
    # Stored before Hostaway hears of it: its test delivery comes at once.
    credential = services.webhooks.ensure_credential(client.account_id)
    known_id = services.webhooks.state(client.account_id).webhook_id
    ours = _ours(client, url, known_id)
    if not ours:
        registration = Registration(_id(client.write("POST", WEBHOOKS, _wanted(url, credential))), "created")
    else:
        is_told = not credential_moved and _id(ours[0]) == known_id
        registration = _adopted(client, ours[0], _wanted(url, credential), is_told)
    for other in ours[1:]:
        _delete(client, _id(other))
    enabled = True
    if registration.was != "unchanged":
        enabled = bool(as_bool(client.get_object(webhook_path(registration.webhook_id)).payload.get("isEnabled")))
    services.webhooks.record_registration(client.account_id, registration.webhook_id, is_enabled=enabled)
    return registration


def _ours(client: HostawayClient, url: str | None, known_id: int | None) -> list[Mapping[str, Any]]:
    """The webhooks that deliver to us, the known one first, even if it still has an earlier URL of ours."""
    listed = list(_listed(client))
    known = [webhook for webhook in listed if known_id is not None and _id(webhook) == known_id]
    return known + [webhook for webhook in listed if webhook.get("url") == url and webhook not in known]


def _listed(client: HostawayClient) -> Iterator[Mapping[str, Any]]:
    """Every webhook of the account: a page may hold fewer than were asked for."""
    seen: set[int] = set()
    for page in client.pages(REGISTERED_WEBHOOKS):
        fresh = [webhook for webhook in page.rows if _id(webhook) not in seen]
        yield from fresh
        seen |= {_id(webhook) for webhook in fresh}
        if not fresh or (page.count is not None and len(seen) >= page.count):
            return


def _adopted(
    client: HostawayClient, present: Mapping[str, Any], wanted: Mapping[str, Any], is_told: bool
) -> Registration:
    webhook_id, is_enabled = _id(present), bool(as_bool(present.get("isEnabled")))
    if is_enabled and is_told and all(present.get(key) == wanted[key] for key in ("url", "login")):
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
    """`ensure_webhook` for those whose work goes on without: returns what went wrong, in a line."""
    try:
        ensure_webhook(services, client)
    except ApiError as error:
        return str(error)
    return None
