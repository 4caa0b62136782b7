"""Erases guests for good: the list of erased guests first, then what is stored of them."""

from collections.abc import Collection
from dataclasses import dataclass, field

from hostaway_pipeline.domain.erasure import RESERVATION, IsErased
from hostaway_pipeline.domain.guests import Identifier, identifiers
from hostaway_pipeline.errors import AmbiguousReservation, ConfigurationError
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.erasure import Found


@dataclass(frozen=True, slots=True)
class GuestRequest:
    """Whose data: the guest of a reservation, or of an address; in one account, or wherever the guest is found.

    All reservations that share an address, a telephone number or the channel's id of a guest with the named ones count
    as theirs.
    """

    reservation_id: int | None = None
    email: str | None = field(default=None, repr=False)
    account_id: int | None = None

    @property
    def identities(self) -> list[Identifier]:
        """Those that the request names itself. Raises ConfigurationError when it does not name exactly one."""
        if (self.reservation_id is None) == (self.email is None):
            raise ConfigurationError("name the guest by a reservation or by an e-mail address, not by both")
        if self.reservation_id is not None:
            return [Identifier(RESERVATION, str(self.reservation_id))]
        found = identifiers(None, None, self.email, None)
        if not found:
            raise ConfigurationError("this is no e-mail address")
        return found


def find_guest(services: Services, request: GuestRequest) -> list[Found]:
    """What is stored of the guest, by account; the erasure would take the guest out of it."""
    return [services.erasure.find(account_id, _is_one_of(named)) for account_id, named in _named(services, request)]


def erase_guest(services: Services, request: GuestRequest) -> dict[int, dict[str, int]]:
    """Erase the guest; returns how many rows that changed, by account and table.

    An account that the request names remembers the guest also when nothing is stored yet. Repeatable: an erasure that
    was interrupted is completed by the next one, or by the nightly job.
    """
    named = _named(services, request)
    for account_id, found in named:
        services.suppression.add(account_id, found)
    services.erasure.keep()
    return {account_id: services.erasure.erase(account_id) for account_id, _ in named}


def _named(services: Services, request: GuestRequest) -> list[tuple[int, list[Identifier]]]:
    """The guest's identities in each account. Raises AccountError for an unknown account, and AmbiguousReservation."""
    own = request.identities
    email = next((identity.value for identity in own if identity.kind == "email"), None)
    if request.account_id is not None:
        services.accounts.get(request.account_id)
    found = services.erasure.named_by(account_id=request.account_id, reservation_id=request.reservation_id, email=email)
    if request.account_id is not None:
        found.setdefault(request.account_id, [])
    if request.reservation_id is not None and len(found) > 1:
        names = ", ".join(map(str, sorted(found)))
        raise AmbiguousReservation(f"accounts {names} have reservation {request.reservation_id}: name the account, too")
    return [(account_id, [*own, *named]) for account_id, named in sorted(found.items())]


def _is_one_of(named: Collection[Identifier]) -> IsErased:
    theirs = frozenset(named)
    return lambda identities: not theirs.isdisjoint(identities)
