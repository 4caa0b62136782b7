"""Guests over HTTP: what is stored of one, and its erasure. The guest is named in the body: URLs end up in logs."""

from fastapi import APIRouter

from hostaway_pipeline.sync.erasure import GuestRequest, erase_guest, find_guest
from webhook_receiver.answers import GUARDED, WITH_BODY, problems
from webhook_receiver.deps import ApiKey, ServicesDep
from webhook_receiver.guest_schemas import Guest, GuestRows

_KNOWN = problems({404: "No such account", 409: "Several accounts have this reservation id: name the account, too"})
router = APIRouter(prefix="/guests", tags=["guests"], dependencies=[ApiKey], responses=GUARDED | WITH_BODY | _KNOWN)


@router.post("/find", summary="What is stored of a guest")
def find(services: ServicesDep, guest: Guest) -> list[GuestRows]:
    """Numbers of rows that name the guest, by account. Changes nothing."""
    found = find_guest(services, _request(guest))
    return [
        GuestRows(account_id=one.account_id, rows=one.counts(), reservation_ids=list(one.reservations)) for one in found
    ]


@router.post("/erase", summary="Erase a guest for good")
def erase(services: ServicesDep, guest: Guest) -> list[GuestRows]:
    """Numbers of rows that the guest was erased from, by account. Bookings stay as numbers; nothing can be undone."""
    erased = erase_guest(services, _request(guest))
    return [GuestRows(account_id=account_id, rows=counts) for account_id, counts in erased.items()]


def _request(guest: Guest) -> GuestRequest:
    email = guest.email.get_secret_value() if guest.email else None
    return GuestRequest(guest.reservation_id, email, guest.account_id)
