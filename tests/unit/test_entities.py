"""A payload becomes a row: which keys are read, what is left out, and when Hostaway says that it changed."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from hostaway_pipeline.domain.entities import CONVERSATIONS, ENTITIES, LISTINGS, MESSAGES, RESERVATIONS, Entity, Row

LISTING: dict[str, Any] = {
    "id": 40160,
    "name": "Beautiful and cozy apartment close to city center",
    "externalListingName": "Beautiful and cozy apartment close to city center",
    "internalListingName": "Property #3",
    "doorSecurityCode": "ddff8",
    "countryCode": "DE",
    "city": "Bremerhaven",
    "address": "Schulstraße 7, Bremerhaven, Bremen 27570, Germany",
    "publicAddress": "Bremerhaven, Bremen 27570, Germany",
    "price": 211.62,
    "personCapacity": 6,
    "bedroomsNumber": 1,
    "specialStatus": None,
    "currencyCode": "USD",
    "timeZoneName": "Europe/Berlin",
    "wifiUsername": "un",
    "wifiPassword": "pass",
    "bathroomsNumber": 1.5,
    "roomType": "entire_home",
    "cleaningFee": 40,
    "listingUnits": [{"id": 1, "listingMapIdUnit": 501}, {"id": 2, "listingMapIdUnit": None}],
    "insertedOn": "2017-01-02 03:04:05",
    "latestActivityOn": "2017-02-03 04:05:06",
    "listingImages": [{"id": 877, "caption": "Kitche", "url": "https://images.test/a", "sortOrder": 1}],
}
RESERVATION: dict[str, Any] = {
    "id": 13,
    "listingMapId": 40160,
    "channelId": 2001,
    "channelName": "airbnb",
    "reservationId": "10450-40160-thread313906227-9586017324",
    "hostawayReservationId": 13,
    "reservationDate": "2017-06-10 10:41:10",
    "guestName": "Andrew Peterson",
    "numberOfGuests": 1,
    "arrivalDate": "2017-07-15",
    "departureDate": "2017-07-16",
    "nights": 1,
    "totalPrice": 267,
    "isPaid": None,
    "currency": "USD",
    "status": "new",
    "doorCode": "12345",
    "doorCodeVendor": "vendor",
    "doorCodeInstruction": "instruction",
    "confirmationCode": "HMP2KQ4B44",
    "guestEmail": "Andrew@Example.com",
    "phone": "+49 30 1234567",
    "guestExternalAccountId": 77,
    "guestCountry": "US",
    "adults": 1,
    "children": 0,
    "infants": None,
    "reservationUnit": [{"id": 1}, {"id": 2}],
    "isDatesUnspecified": 0,
    "taxAmount": 12.5,
    "cleaningFee": None,
    "channelCommissionAmount": "40.05",
    "paymentStatus": "Paid",
    "insertedOn": "2017-06-09 10:00:00",
    "cancellationDate": "2017-06-20 10:00:00",
    "cancelledBy": "guest",
    "financeField": [{"id": 1, "name": "checkinFee", "value": 1000, "total": 69}],
}
CONVERSATION: dict[str, Any] = {
    "id": 1406,
    "accountId": 10450,
    "listingMapId": 10450,
    "reservationId": 2,
    "type": "host-guest-email",
    "recipientEmail": "mail@test.com",
    "recipientName": "John Smith",
    "hasUnreadMessages": 0,
    "messageSentOn": "2018-06-28 11:24:40",
    "messageReceivedOn": None,
    "conversationMessages": [{"id": 326, "conversationId": 1406, "body": "hello guest"}],
    "Reservation": {"id": 2, "listingMapId": 40160, "guestName": "John Smith", "doorCode": None},
}
MESSAGE: dict[str, Any] = {
    "id": 326,
    "listingMapId": 40160,
    "reservationId": 2,
    "conversationId": 1406,
    "body": "hello guest",
    "communicationType": "email",
    "status": "sent",
    "isIncoming": 0,
    "date": "2018-07-16 10:12:52",
    "sentChannelDate": "2018-07-16 10:13:52",
    "attachments": [{"id": 6, "name": "download.jpeg", "url": "https://images.test/img.jpeg", "isPublic": 1}],
    "communicationId": 5,
    "communicationEvent": "reservation",
    "sentUsingHostaway": 1,
    "insertedOn": "2018-07-16 10:12:52",
    "updatedOn": "2018-07-16 10:12:52",
}
EXAMPLES = [(LISTINGS, LISTING), (RESERVATIONS, RESERVATION), (CONVERSATIONS, CONVERSATION), (MESSAGES, MESSAGE)]
every_entity = pytest.mark.parametrize(("entity", "example"), EXAMPLES, ids=lambda part: getattr(part, "name", ""))


def row(entity: Entity, payload: dict[str, Any], **changes: Any) -> Row:
    made = entity.row({**payload, **changes})
    assert made is not None
    return made


def columns(entity: Entity, payload: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return dict(zip(entity.columns, row(entity, payload, **changes).values, strict=True))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Each entity's row


def test_a_listing():
    assert columns(LISTINGS, LISTING) == {
        "name": "Beautiful and cozy apartment close to city center",
        "internal_name": "Property #3",
        "address": "Schulstraße 7, Bremerhaven, Bremen 27570, Germany",
        "city": "Bremerhaven",
        "country_code": "DE",
        "time_zone": "Europe/Berlin",
        "currency": "USD",
        "price": Decimal("211.62"),
        "person_capacity": 6,
        "bedrooms": 1,
        "special_status": None,
        "bathrooms": Decimal("1.5"),
        "room_type": "entire_home",
        "cleaning_fee": Decimal(40),
        "unit_count": 2,
        "unit_listing_ids": [501],
        "inserted_at": at("2017-01-02 03:04:05"),
        "latest_activity_at": at("2017-02-03 04:05:06"),
    }


def test_a_reservation():
    assert columns(RESERVATIONS, RESERVATION) == {
        "listing_id": 40160,
        "channel_id": 2001,
        "channel_name": "airbnb",
        "channel_reservation_id": "10450-40160-thread313906227-9586017324",
        "confirmation_code": "HMP2KQ4B44",
        "status": "new",
        "guest_name": "Andrew Peterson",
        "number_of_guests": 1,
        "arrival_date": date(2017, 7, 15),
        "departure_date": date(2017, 7, 16),
        "nights": 1,
        "total_price": Decimal(267),
        "currency": "USD",
        "is_paid": None,
        "reserved_at": at("2017-06-10 10:41:10"),
        "guest_email": "Andrew@Example.com",
        "guest_phone": "+49 30 1234567",
        "guest_external_id": "77",
        "guest_country": "US",
        "adults": 1,
        "children": 0,
        "infants": None,
        "unit_count": 2,
        "is_dates_unspecified": False,
        "tax_amount": Decimal("12.5"),
        "cleaning_fee": None,
        "channel_commission": Decimal("40.05"),
        "payment_status": "Paid",
        "inserted_at": at("2017-06-09 10:00:00"),
        "cancelled_on": date(2017, 6, 20),
        "cancelled_by": "guest",
    }


def test_a_conversation():
    assert columns(CONVERSATIONS, CONVERSATION) == {
        "reservation_id": 2,
        "listing_id": 10450,
        "type": "host-guest-email",
        "recipient_name": "John Smith",
        "has_unread_messages": False,
        "message_sent_at": at("2018-06-28 11:24:40"),
        "message_received_at": None,
    }


def test_a_message():
    assert columns(MESSAGES, MESSAGE) == {
        "conversation_id": 1406,
        "reservation_id": 2,
        "listing_id": 40160,
        "communication_type": "email",
        "status": "sent",
        "is_incoming": False,
        "body": "hello guest",
        "sent_at": at("2018-07-16 10:12:52"),
        "communication_id": 5,
        "communication_event": "reservation",
        "sent_using_hostaway": True,
        "inserted_at": at("2018-07-16 10:12:52"),
    }


def test_there_are_four_entities_and_parents_come_first():
    assert list(ENTITIES) == ["listings", "reservations", "conversations", "messages"]


@every_entity
def test_values_follow_the_order_of_the_columns(entity, example):
    assert len(row(entity, example).values) == len(entity.columns)


def test_an_archived_listing_is_a_listing():
    """The list returns them too: their past reservations still count."""
    assert columns(LISTINGS, LISTING, specialStatus="archived")["special_status"] == "archived"


def test_a_reservation_may_lack_nearly_everything():
    """61 % of real rows had no guest name; money and channel may be null."""
    assert set(columns(RESERVATIONS, {"id": 13}).values()) == {None}


def test_a_stay_of_zero_nights_is_not_a_missing_number():
    assert columns(RESERVATIONS, RESERVATION, nights=0)["nights"] == 0


def test_the_channels_id_is_not_the_reservations_id():
    """`reservationId` of a reservation is the channel's string; `id` is Hostaway's own."""
    assert row(RESERVATIONS, RESERVATION, reservationId="99").id == 13


def test_an_enquiry_has_no_reservation():
    assert columns(CONVERSATIONS, CONVERSATION, reservationId=None)["reservation_id"] is None


def test_a_guests_message_is_incoming():
    assert columns(MESSAGES, MESSAGE, isIncoming=1)["is_incoming"] is True


# The id


@every_entity
@pytest.mark.parametrize("unusable", [None, "", "abc", True, 2**63, [], {}], ids=repr)
def test_a_payload_without_a_usable_id_is_no_row(entity, example, unusable):
    assert entity.row({**example, "id": unusable}) is None


@every_entity
def test_a_payload_without_an_id_is_no_row(entity, example):
    """There is nothing to key it by: `hostawayReservationId` and others stand in for nothing."""
    assert entity.row({key: value for key, value in example.items() if key != "id"}) is None


@every_entity
@pytest.mark.parametrize("object_id", [2**31, 2**63 - 1])
def test_an_id_has_64_bits(entity, example, object_id):
    assert row(entity, example, id=object_id).id == object_id


@every_entity
def test_an_id_may_be_digits_in_a_string(entity, example):
    assert row(entity, example, id="4711").id == 4711


@pytest.mark.parametrize(
    ("entity", "example", "key", "column"),
    [
        (RESERVATIONS, RESERVATION, "listingMapId", "listing_id"),
        (CONVERSATIONS, CONVERSATION, "reservationId", "reservation_id"),
        (MESSAGES, MESSAGE, "conversationId", "conversation_id"),
    ],
)
def test_an_id_of_a_parent_has_64_bits_too(entity, example, key, column):
    assert columns(entity, example, **{key: 2**63 - 1})[column] == 2**63 - 1


# What is stored of the payload


@every_entity
def test_the_payload_is_kept_whole_but_for_secrets_and_embedded_objects(entity, example):
    dropped = {"doorSecurityCode", "wifiPassword", "doorCode", "doorCodeInstruction"}
    dropped |= {"Reservation", "conversationMessages"}
    expected = {key: value for key, value in example.items() if key not in dropped}
    assert json.loads(row(entity, example).payload) == expected


@pytest.mark.parametrize("key", ["Reservation", "conversationMessages"])
def test_a_conversation_does_not_keep_what_has_a_table_of_its_own(key):
    assert key not in json.loads(row(CONVERSATIONS, CONVERSATION).payload)


def test_a_change_of_the_embedded_objects_does_not_change_the_conversation():
    """The same conversation, listed with and without `includeResources`, must not be rewritten each time."""
    bare = {key: value for key, value in CONVERSATION.items() if key not in {"Reservation", "conversationMessages"}}
    assert row(CONVERSATIONS, CONVERSATION).content_hash == row(CONVERSATIONS, bare).content_hash


@every_entity
def test_a_moved_updated_on_does_not_change_the_content(entity, example):
    later = row(entity, example, updatedOn="2030-01-01 00:00:00", latestActivityOn="2030-01-01 00:00:00")
    assert later.content_hash == row(entity, example).content_hash


@every_entity
def test_any_other_field_changes_the_content(entity, example):
    assert row(entity, example, somethingNew=1).content_hash != row(entity, example).content_hash


def test_a_secret_does_not_change_the_content():
    """It is neither stored nor compared."""
    changed = row(RESERVATIONS, RESERVATION, doorCode="99999", ccNumber="4111111111111111")
    assert changed == row(RESERVATIONS, RESERVATION)


def test_a_column_holds_the_same_characters_as_the_payload():
    """NUL must not reach a text column by the side entrance."""
    made = columns(MESSAGES, MESSAGE, body="a\x00b\ud83d")
    assert made["body"] == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"


def test_an_emoji_is_stored_as_it_came():
    assert "👍🏽" in row(MESSAGES, MESSAGE, body="👍🏽").payload


# When Hostaway says that it changed


@pytest.mark.parametrize(
    ("entity", "dates", "expected"),
    [
        (LISTINGS, {"updatedOn": "2026-01-02 00:00:00", "latestActivityOn": "2026-01-09 00:00:00"}, "2026-01-02"),
        (LISTINGS, {"latestActivityOn": "2026-01-09 00:00:00"}, "2026-01-09"),
        (LISTINGS, {"insertedOn": "2026-01-01 00:00:00"}, None),
        (RESERVATIONS, {"updatedOn": "2026-01-02 00:00:00", "insertedOn": "2026-01-01 00:00:00"}, "2026-01-02"),
        (RESERVATIONS, {"insertedOn": "2026-01-01 00:00:00"}, None),  # no time is not an old one
        (RESERVATIONS, {"updatedOn": "0000-00-00 00:00:00", "insertedOn": "2026-01-01 00:00:00"}, None),
        (RESERVATIONS, {"latestActivityOn": "2026-01-09 00:00:00"}, None),  # it misses changes
        (MESSAGES, {"updatedOn": "2026-01-02 00:00:00", "insertedOn": "2026-01-01 00:00:00"}, "2026-01-02"),
        (MESSAGES, {"insertedOn": "2026-01-01 00:00:00"}, None),
        (MESSAGES, {"date": "2026-01-01 00:00:00"}, None),  # when it was sent, which may be ahead
        (CONVERSATIONS, {"messageSentOn": "2026-01-02 00:00:00"}, "2026-01-02"),
        (CONVERSATIONS, {"messageReceivedOn": "2026-01-01 00:00:00"}, "2026-01-01"),
        (
            CONVERSATIONS,
            {"messageSentOn": "2026-01-01 00:00:00", "messageReceivedOn": "2026-01-02 00:00:00"},
            "2026-01-02",
        ),
        (
            CONVERSATIONS,
            {"messageSentOn": "2026-01-02 00:00:00", "messageReceivedOn": "2026-01-01 00:00:00"},
            "2026-01-02",
        ),
        (CONVERSATIONS, {}, None),
    ],
)
def test_when_the_object_changed_last(entity, dates, expected):
    assert row(entity, {"id": 1, **dates}).source_updated_at == (expected and at(expected))
