"""Which names of fields are secrets, which hold identifiers, and which only look alike."""

import pytest

from hostaway_pipeline.domain.names import Kind, is_secret, kind_of_name, reveals_code

CARD_NAMES = [
    "ccNumber", "CCNumber", "ccnumber", "CCNUMBER", "CCnumber", "cc_number", "CC-Number", "ccName",
    "ccExpirationYear", "ccExpirationMonth", "ccNumberEndingDigits", "cc_exp", "ccExpiry", "cardNumber", "CardNumber",
    "cardnumber", "CARDNUMBER", "card_number", "card-number", "creditCardNumber", "creditcardnumber",
    "guestCardNumber", "creditCard", "credit_card", "creditcard", "CreditCard", "debitCard", "paymentCard",
    "virtualCard", "virtualCreditCard", "vcc", "vccNumber", "card", "cards", "cardHolder", "cardholderName",
    "card_holder_name", "cardExpiry", "cardExpirationDate", "cardDetails", "cardSecurityCode", "cvc", "CVC",
    "cvcCode", "cardCvc", "cvv", "CVV", "CVV2", "cvv2", "card_cvv", "securityCode", "security_code", "SecurityCode",
    "pan",
]  # fmt: skip
DOOR_NAMES = [
    "doorCode", "doorcode", "DoorCode", "DOORCODE", "dOoRcOdE", "door_code", "Door-Code", "door.code", "doorCodes",
    "guestDoorCode", "frontDoorCode", "doorCodeInstruction", "doorcodeinstruction", "doorSecurityCode",
    "doorsecuritycode", "DOOR_SECURITY_CODE", "doorPin", "lockCode", "smartLockCode", "lockboxCode", "lockBoxCode",
    "lock_box_code", "keyBoxCode", "gateCode", "entryCode", "entranceCode", "accessCode", "access_code", "keypadCode",
    "alarmCode", "garageCode", "pin", "wifiPassword", "WiFiPassword", "wifi_password", "WIFIPASSWORD", "wifiPass",
    "wifiKey", "wlanPassword", "password", "passcode", "accessToken", "clientSecret",
]  # fmt: skip
LINK_NAMES = [
    "guestAuthHash", "guest_auth_hash", "guestauthhash", "GuestAuthHash", "guestPortalUrl", "guest_portal_url",
    "guestportalurl", "GuestPortalURL", "guestPortalLink", "guestPortalHash", "guestPortal",
]  # fmt: skip
FIELD_NAMES = [
    "Door code", "DOOR CODE", "Türcode", "Lockbox PIN", "Wi-Fi password", "WiFi Password", "Gate code (main)",
    "Code porte", "Code d'accès", "Código de la puerta", "Zugangscode", "WLAN-Passwort", "Key box code",
    "Smart lock PIN", "reservation_custom_field_door_code", "Mot de passe WiFi", "Code for the lockbox",
    "Building entry code", "PIN code",
]  # fmt: skip
HARMLESS = [
    "cc", "account", "ccountry", "ccEmail", "ccEmails", "cc_recipients", "doorCodeVendor", "wifiUsername",
    "successCode", "cancellationPolicy", "cancellationPolicyId", "cardType", "card_type", "creditCardType",
    "cardBrand", "countryCode", "zipcode", "zipCode", "confirmationCode", "accountId", "channelSpecificCode",
    "currencyCode", "hash", "wildcard", "discard", "postcard", "blockCode", "clockCode", "scoreCard",
    "giftCardNumber", "idCardNumber", "hasCreditCard", "acceptsCreditCards", "hasDoorCode", "postalCode", "areaCode",
    "promoCode", "keyPickup", "specialInstruction", "houseRules", "isPinned", "spanish", "company", "passportNumber",
    "paymentMethod", "guestWork", "guestPicture", "rentalAgreementFileUrl", "passengers", "description",
    "checkInInstructions", "personCapacity", "url", "reservationId", "phone", "body",
]  # fmt: skip
IDENTIFIERS = [
    "id", "ids", "customFieldId", "reservationId", "channelReservationId", "hostawayReservationId", "externalRuid",
    "airbnbThreadMessageId", "uuid", "hash", "confirmationCode", "channelSpecificCode", "countryCode", "zipcode",
    "url", "airbnbListingUrl", "guestPicture", "hostProxyEmail", "iban", "propertyLicenseNumber", "trackingNumber",
    "invoiceNumber", "reservation_id", "stripeGuestId",
]  # fmt: skip


@pytest.mark.parametrize("name", [*CARD_NAMES, *DOOR_NAMES, *LINK_NAMES, *FIELD_NAMES])
def test_a_secret_is_known_by_its_name_however_it_is_written(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", LINK_NAMES)
def test_what_signs_a_guest_in_is_looked_for_elsewhere_too(name):
    assert kind_of_name(name) is Kind.LINK_HASH


@pytest.mark.parametrize("name", HARMLESS)
def test_names_that_only_look_alike_are_no_secrets(name):
    assert not is_secret(name)


@pytest.mark.parametrize(
    "name",
    IDENTIFIERS,
)
def test_identifiers_are_known_by_their_name(name):
    assert kind_of_name(name) is Kind.IDENTIFIER


@pytest.mark.parametrize("name", ["phone", "contactPhone1", "guest_phone", "mobile", "whatsApp"])
def test_telephone_numbers_are_known_by_their_name(name):
    assert kind_of_name(name) is Kind.PHONE


@pytest.mark.parametrize("name", ["body", "comment", "guestNote", "hostNote", "description", "paid", "valid", "number"])
def test_anything_else_is_text(name):
    assert kind_of_name(name) is Kind.TEXT


@pytest.mark.parametrize(
    "text", ["Door code: 4711", "Gate: code 4711", "WiFi: home, password: hunter2", "PIN for the lockbox is 4711"]
)
def test_a_text_may_tell_a_code(text):
    assert reveals_code(text)


@pytest.mark.parametrize("text", ["Custom field value one", "Door: the blue one", "Promo code: SUMMER26", "3 keys", ""])
def test_other_texts_tell_none(text):
    assert not reveals_code(text)


def test_a_name_of_any_length_is_read_quickly():
    """Names come from outside: repeated words must not make a pattern try every way to cut them."""
    for long in ("card" + "exp" * 100_000, "door_" * 100_000, "cc" + "no" * 100_000 + "x"):
        kind_of_name(long)
