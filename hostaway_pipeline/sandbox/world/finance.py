"""Prices stays and writes their `financeField` lines, of which the included ones sum to `totalPrice`.

Amounts are integers in minor currency units until they become JSON.
"""

from typing import NamedTuple

from hostaway_pipeline.sandbox.templates import Payload
from hostaway_pipeline.sandbox.world import market
from hostaway_pipeline.sandbox.world.market import AIRBNB, BOOKING, DIRECT, ENGINE, EXPEDIA, VRBO, Channel, Home, major

CITY_TAX_SHARE = 0.015
"""City tax per guest and night, as a share of the home's average night."""
NEW_TYPES_SINCE = "2024-07"
OLD_TYPES = {"accomodation": "price", "commissions": "fee", "totals": "price", "other": "fee"}
"""Names of the line types before."""


class Price(NamedTuple):
    """The parts of a total in minor units. `scale`: minor units in a major one. `percent`: rate of the discount."""

    scale: int
    base: int = 0
    discount: int = 0
    percent: int = 0
    cleaning: int = 0
    extra_guests: int = 0
    extra_persons: int = 0
    vat: int = 0
    vat_rate: int = 0
    city_tax: int = 0
    commission: int = 0
    kept: int = 0
    """What the host keeps of a cancelled stay, in place of all other parts."""
    channel: Channel = DIRECT
    last_minute: bool = False

    @property
    def total(self) -> int:
        fees = self.cleaning + self.extra_persons
        return self.base + self.discount + fees + self.vat + self.city_tax + self.kept

    @property
    def taxes(self) -> int:
        return self.vat + self.city_tax


def price(
    home: Home, channel: Channel, arrival: int, nights: int, *, units: int, guests: int, lead: int, luck: float = 1.0
) -> Price:
    """Price a stay by season, weekday, home and channel; `luck` is this booking's own factor, about 1."""
    scale = home.scale
    base = round(home.price * market.price_sum(arrival, nights) * channel.markup * luck * units * scale)
    percent = 25 if nights >= market.LONGEST_STAY else 10 if nights >= 7 else 0
    last_minute = percent == 0 and lead < 2 and channel in (DIRECT, ENGINE)
    if last_minute:
        percent = 8
    discount = -base * percent // 100
    cleaning = round(home.cleaning * units * scale)
    extra_guests = max(0, guests - home.guests_included * units)
    extra = extra_guests * nights * round(home.price * 0.08 * scale)
    rent = base + discount + cleaning + extra
    vat = rent * home.vat // 100
    taxes_guests = channel not in (AIRBNB, VRBO, EXPEDIA)
    city_tax = round(home.price * CITY_TAX_SHARE * guests * nights * scale) if taxes_guests else 0
    commission = round(rent * channel.fee / 100)
    return Price(
        scale,
        base,
        discount,
        percent,
        cleaning,
        extra_guests,
        extra,
        vat,
        home.vat,
        city_tax,
        commission,
        0,
        channel,
        last_minute,
    )


def cancelled(paid: Price, share: float) -> Price:
    """The price of a cancelled stay, of whose base rate the host keeps a share."""
    return Price(paid.scale, kept=round(paid.base * share), channel=paid.channel)


def totals(paid: Price | None, *, with_commission: bool = True) -> Payload:
    """The amounts in the reservation itself; all null without a price."""
    if paid is None:
        return {"totalPrice": None, "taxAmount": None, "channelCommissionAmount": None, "cleaningFee": None}
    commission = major(paid.commission, paid.scale) if paid.commission and with_commission else None
    return {
        "totalPrice": major(paid.total, paid.scale),
        "taxAmount": major(paid.taxes, paid.scale),
        "channelCommissionAmount": commission,
        "cleaningFee": major(paid.cleaning, paid.scale) or None,
    }


def lines(paid: Price, reservation_id: int, inserted_on: str, units: int = 1) -> list[Payload]:
    """`financeField` of a reservation; the names of types are those in use when it was inserted."""
    made = _lines_of_expedia(paid) if paid.channel is EXPEDIA else _lines(paid)
    is_old = inserted_on < NEW_TYPES_SINCE
    for place, line in enumerate(made):
        line["id"] = reservation_id * 10 + place
        line["units"] = units
        if is_old:
            line["type"] = OLD_TYPES.get(line["type"], line["type"])
    return made


def _lines(paid: Price) -> list[Payload]:
    """The lines that are not zero; a stay without any cost has a base rate of 0."""
    scale = paid.scale
    if paid.kept:
        return [_line("cancellationPayout", paid.kept, scale)]
    made = [_line("baseRate", paid.base, scale)]
    if paid.discount:
        made.append(_line(_discount_name(paid), paid.discount, scale, value=paid.percent))
    if paid.cleaning:
        made.append(_line("cleaningFee", paid.cleaning, scale))
    if paid.extra_persons:
        each = major(paid.extra_persons // paid.extra_guests, scale)
        made.append(_line("pricePerExtraPerson", paid.extra_persons, scale, value=each))
    if paid.vat:
        made.append(_line("vat", paid.vat, scale, value=paid.vat_rate))
    if paid.city_tax:
        made.append(_line("cityTax", paid.city_tax, scale))
    return made + _lines_beside(paid)


def _lines_of_expedia(paid: Price) -> list[Payload]:
    """Expedia sends its total only; the base rate stays as a deleted line."""
    gone = _line("baseRate", 0, paid.scale, value=None) | {"isDeleted": 1}
    total = _line("totalPriceFromChannel", paid.total, paid.scale) | {"isIncludedInTotalPrice": 1}
    return [gone, total, *_lines_beside(paid)]


def _lines_beside(paid: Price) -> list[Payload]:
    """Lines outside the total: commissions, deposits and the channel's own totals."""
    scale, made = paid.scale, list[Payload]()
    if paid.commission:
        made.append(_line("hostChannelFee", paid.commission, scale))
    if paid.channel is AIRBNB and paid.base:
        made.append(_line("guestChannelFee", paid.base * 14 // 100, scale))
        made.append(_line("airbnbPayoutSum", paid.total - paid.commission, scale))
    if paid.channel is BOOKING and paid.base:
        made.append(_line("totalPriceFromChannel", paid.total, scale))
    if paid.channel is VRBO and paid.base:
        made.append(_line("damageDeposit", paid.base // 4, scale))
    return made


def _discount_name(paid: Price) -> str:
    if paid.last_minute:
        return "lastMinuteDiscount"
    return "monthlyDiscount" if paid.percent > 20 else "weeklyDiscount"


AS_TOTAL = object()


def _line(name: str, total: int, scale: int, *, value: object = AS_TOTAL) -> Payload:
    """A line. `value` is what the total is calculated from, such as a percentage; by default the total itself."""
    amount = major(total, scale)
    return {**LINES[name], "value": amount if value is AS_TOTAL else value, "total": amount}


def _template(name: str, title: str, kind: str, included: int) -> Payload:
    return {
        "id": 0,
        "units": 1,
        "listingFeeSettingId": None,
        "type": kind,
        "name": name,
        "title": title,
        "alias": None,
        "value": None,
        "isIncludedInTotalPrice": included,
        "isOverriddenByUser": 0,
        "isMandatory": None,
        "isQuantitySelectable": 0,
        "isDeleted": 0,
        "quantity": None,
        "total": 0,
    }


LINES = {
    name: _template(name, title, kind, included)
    for name, title, kind, included in (
        ("baseRate", "Base rate", "accomodation", 1),
        ("weeklyDiscount", "Weekly discount", "discount", 1),
        ("monthlyDiscount", "Monthly discount", "discount", 1),
        ("lastMinuteDiscount", "Last minute discount", "discount", 1),
        ("cleaningFee", "Cleaning fee", "fee", 1),
        ("pricePerExtraPerson", "Price per extra person", "fee", 1),
        ("cancellationPayout", "Cancellation payout", "fee", 1),
        ("vat", "VAT", "tax", 1),
        ("cityTax", "City tax", "tax", 1),
        ("hostChannelFee", "Host channel fee", "commissions", 0),
        ("guestChannelFee", "Guest channel fee", "commissions", 0),
        ("airbnbPayoutSum", "Airbnb payout sum", "totals", 0),
        ("totalPriceFromChannel", "Total price from channel", "totals", 0),
        ("damageDeposit", "Damage deposit", "other", 0),
    )
}
