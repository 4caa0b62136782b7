"""Secrets in every place where guests and hosts put them, for tests that look for what is left of them."""

from typing import Any

from hostaway_pipeline.sandbox.world.account import Account

# What only its spelling, its depth or its value gives away.
PLANTED = {
    "card by another spelling": "5105105105105100",
    "check code": "check-code-917",
    "door code": "door-code-4712",
    "nested card": "4012888888881881",
    "holder": "ANNEMARIE CARDHOLDER",
    "link": "portal.example.com/checkin",
    "hash": "f3a9c81e77d04b52",
    "door code of a custom field": "lock-9981",
    "card in a custom field": "3782 822463 10005",
    "card in a note": "5555-5555-5555-4444",
    "card in a name": "6011111111111117",
    "card in a message": "4242 4242 4242 4242",
    "check code in a message": "cvc 9173",
    "card in a listing": "3530 1113 3330 0000",
    "network": "wifi-sesame",
}
# The names that older versions knew, each in one spelling.
DROPPED_BEFORE = frozenset(
    {
        "cvc",
        "doorCode",
        "doorCodeInstruction",
        "doorSecurityCode",
        "guestAuthHash",
        "wifiPassword",
        "ccNumber",
        "ccName",
    }
    | {"ccExpirationYear", "ccExpirationMonth"}
)


def private_reservation() -> dict[str, Any]:
    return {
        "cardNumber": PLANTED["card by another spelling"],
        "CVC": PLANTED["check code"],
        "doorcode": PLANTED["door code"],
        "creditCard": {"number": PLANTED["nested card"], "expiry": "12/27", "name": PLANTED["holder"]},
        "guestAuthHash": PLANTED["hash"],
        "guestPortalUrl": f"https://{PLANTED['link']}/{PLANTED['hash']}",
        "hostNote": f"paid with {PLANTED['card in a note']}, see https://x.example.com/{PLANTED['hash']}",
        "guestName": f"Anna {PLANTED['card in a name']}",
        "customFieldValues": [
            {"customFieldId": 167, "name": "Door code", "value": PLANTED["door code of a custom field"]},
            {"customFieldId": 168, "value": f"card {PLANTED['card in a custom field']}"},
        ],
        "financeField": [{"id": 7, "name": "cleaningFee", "title": "Cleaning fee", "value": 40.5, "total": 40.5}],
    }


def private_message() -> str:
    return f"Hi 🏡, my card is {PLANTED['card in a message']}, {PLANTED['check code in a message']}. See you!"


def plant(account: Account) -> tuple[int, int]:
    """Into a reservation, a listing and a message of the account; returns the ids of reservation and conversation."""
    reservation_id = next(iter(account.reservations))
    conversation_id = next(iter(account.conversations))
    account.update_reservation(reservation_id, **private_reservation())
    note = f"pay to {PLANTED['card in a listing']}"
    account.update_listing(next(iter(account.listings)), name=note, wifi_password=PLANTED["network"])
    account.add_message(conversation_id, private_message())
    return reservation_id, conversation_id
