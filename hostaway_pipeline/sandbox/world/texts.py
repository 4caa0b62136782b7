"""Names of guests and homes and texts of messages, in the scripts that real guests write.

Text only; the generators decide where it goes. No NUL and no lone surrogates.
"""

from random import Random
from typing import NamedTuple

GUESTS = (
    "Andrew Peterson", "Zoë Brûlé", "José Ñúñez", "Łukasz Żółć", "李小龍", "山田 太郎", "Мария Иванова", "محمد العلي",
    "יעל כהן", "Nguyễn Thị Hoa", "O'Brien, Seán", "Anna 👩‍👩‍👧‍👦 & co", "Zalgo H̷e̶l̵l̴o̷", "Ἀλέξανδρος", "प्रिया शर्मा",
    "Müller-Lüdenscheidt", "Ana\u00adMaria", "e\u0301lodie (combining)", "🏳️‍🌈 Robin", "김민준",
)  # fmt: skip


class Place(NamedTuple):
    city: str
    country: str
    zone: str
    currency: str
    lat: float
    lng: float


PLACES = (
    Place("Bremerhaven", "DE", "Europe/Berlin", "EUR", 53.5403, 8.58936),
    Place("Αθήνα", "GR", "Europe/Athens", "EUR", 37.9755, 23.7348),
    Place("Ponta Delgada", "PT", "Atlantic/Azores", "EUR", 37.7412, -25.6756),
    Place("Saint-Denis", "FR", "Indian/Reunion", "EUR", -20.8789, 55.4481),
    Place("Austin", "US", "America/Chicago", "USD", 30.2672, -97.7431),
    Place("Honolulu", "US", "Pacific/Honolulu", "USD", 21.3069, -157.8583),
    Place("Cañon City", "US", "America/Denver", "USD", 38.4494, -105.2253),
    Place("京都市", "JP", "Asia/Tokyo", "JPY", 35.0116, 135.7681),
    Place("مدينة الكويت", "KW", "Asia/Kuwait", "KWD", 29.3759, 47.9774),
)


def places(currency: str) -> list[Place]:
    """The places whose homes have this currency."""
    return [place for place in PLACES if place.currency == currency]


HOMES = (
    "Cozy loft",
    "Seaside cottage 🌊",
    "Penthouse “Nº 5”",
    "Villa Björn",
    "Studio\tB",
    "بيت الضيافة",
    "Old mill",
)
SENTENCES = (
    "Hello, we arrive around nine in the evening.",
    "Is there parking near the house?",
    "Thank you 🙏🏽 see you soon!",
    "The family 👨‍👩‍👧‍👦 is looking forward to it.",
    "שלום, מתי אפשר להיכנס לדירה?",
    "مرحبا، هل يوجد واي فاي؟ \u200f(شكرا)",
    'Line one\nline two\r\n\tindented "quoted" back\\slash',
    "Cafe\u0301 and nai\u0308ve: the accents are combining.",
    "<p>Dear guest,<br>the <b>keys</b> are at the reception &amp; waiting.</p>",
    "こんにちは。チェックインは何時ですか？",
    "'; DROP TABLE messages; -- just kidding",
    'Price: 1.234,56 € — 50% off; {"json": null}',
)
AUTOMATED_TEXTS = {
    "reservationCreated": "Thank you for your booking! We are looking forward to your stay.",
    "checkIn": "Tomorrow is the day: check-in is from three in the afternoon. Have a good journey!",
}
"""Texts of automated messages, by their event."""


def message_texts(rng: Random, size: int = 300) -> list[str]:
    """Message bodies to draw from: mostly one to four sentences, some empty, some of several thousand characters."""
    texts = ["", " ", "👍", "ok"]
    texts += [" ".join(rng.choices(SENTENCES, k=rng.randint(1, 4))) for _ in range(size)]
    texts += [" ".join(rng.choices(SENTENCES, k=rng.randint(60, 160))) for _ in range(max(1, size // 100))]
    return texts
