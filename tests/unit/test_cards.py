"""Card numbers within texts: found however they are written, and nothing else taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.cards import REDACTED, is_card_number, mask_cards
from hostaway_pipeline.domain.redaction import scrub

CARDS = {
    "visa": "4111111111111111",
    "visa of 13 digits": "4222222222222",
    "visa of 19 digits": "4111111111111111110",
    "mastercard": "5555555555554444",
    "mastercard of the 2 series": "2223003122003222",
    "amex": "378282246310005",
    "amex 34": "343434343434343",
    "discover": "6011111111111117",
    "discover 65": "6500000000000002",
    "jcb": "3530111333300000",
    "diners": "30569309025904",
    "diners 38": "38520000023237",
    "unionpay": "6200000000000005",
    "maestro": "6759649826438453",
}
PREFIXES = [
    "4", "51", "52", "53", "54", "55", "2221", "2300", "2720", "34", "37", "6011", "65", "644", "649", "3528", "3589",
    "36", "38", "300", "305", "62",
]  # fmt: skip


def with_check_digit(digits: str) -> str:
    return next(digits + last for last in "0123456789" if luhn(digits + last))


def luhn(digits: str) -> bool:
    """Written again, and otherwise than in the code."""
    total = 0
    for place, sign in enumerate(reversed(digits)):
        number = int(sign) * (2 if place % 2 else 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    prefix = draw(st.sampled_from(PREFIXES))
    length = draw(st.integers(13, 19))
    rest = draw(st.text("0123456789", min_size=length - 1 - len(prefix), max_size=length - 1 - len(prefix)))
    return with_check_digit(prefix + rest)


@st.composite
def written_cards(draw: st.DrawFn) -> str:
    """Solid, in fours, 4-6-5, or with any blanks and dashes between the digits."""
    digits = draw(card_numbers())
    gap = draw(st.sampled_from([" ", "-", " - ", "  ", "\u00a0", "\u2013"]))
    kind = draw(st.sampled_from(["solid", "fours", "any"]))
    if kind == "solid":
        return digits
    if kind == "fours":
        return gap.join(digits[place : place + 4] for place in range(0, len(digits), 4))
    gaps = [draw(st.sampled_from(["", "", " ", "-"])) for _ in digits]
    return "".join(digit + gap for digit, gap in zip(digits, gaps, strict=True)).rstrip(" -")


# Nothing around a card can be read as one of its digits; what stands beside digits has tests of its own. Behind a plus
# sign a number of up to 15 digits is a phone's.
AROUND = st.text(st.characters(exclude_categories=["Nd", "Cs"], exclude_characters="+"), max_size=20)


@given(AROUND, written_cards(), AROUND)
def test_no_card_number_survives_in_a_text(before, card, after):
    assert mask_cards(f"{before}{card}{after}") == f"{before}{REDACTED}{after}"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="+"), max_size=40), card_numbers(), AROUND)
def test_a_number_in_one_piece_is_found_beside_other_digits_too(before, card, after):
    assert card not in mask_cards(f"{before} {card} {after}")


@pytest.mark.parametrize("digits", CARDS.values(), ids=CARDS)
@pytest.mark.parametrize(
    "text",
    [
        "{}", "my card is {}, thanks", "card:{}.", "({})", "{} 12/27", "{} 12 27", "Visa{}x", "a\n{}\nb", "🏡{}🏡",
        "Zoë: {}", '{{"n":"{}"}}', "https://pay.example.com/?card={}&a=1", "2 nights, {} ok", "2026-10-05 {}",
        "at 10:30 {}", "{} at 10:30",
    ],
)  # fmt: skip
def test_a_card_number_is_masked_and_the_rest_stays(digits, text):
    assert mask_cards(text.format(digits)) == text.format(REDACTED)


@pytest.mark.parametrize(
    "card",
    [
        "4111 1111 1111 1111", "4111-1111-1111-1111", "4111 - 1111 - 1111 - 1111", "4111  1111  1111  1111",
        "4111\u00a01111\u00a01111\u00a01111", "4111–1111–1111–1111", "4111 1111-1111 1111", "41111111 11111111",
        "3782 822463 10005", "3782-822463-10005", "3056 930902 5904", "4111 1111 1111 1111 110", "4 111111 111111111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "٤١١١ ١١١١ ١١١١ ١١١١", "４１１１１１１１１１１１１１１１",
    ],
)  # fmt: skip
def test_however_its_digits_are_grouped(card):
    assert mask_cards(f"my card: {card} ok") == f"my card: {REDACTED} ok"


def test_several_in_one_text():
    text = "old 4111111111111111 4242424242424242, new 5555 5555 5555 4444 or 378282246310005"
    assert mask_cards(text) == f"old {REDACTED} {REDACTED}, new {REDACTED} or {REDACTED}"


@pytest.mark.parametrize("text", ["5 4111 1111 1111 1111", "0170 4111 1111 1111 1111", "4111 1111 1111 1111 4711"])
def test_digits_beside_it_do_not_hide_it(text):
    assert "1111 1111 1111" not in mask_cards(text)


@pytest.mark.parametrize("text", ["cvc 123", "CVV: 1234", "cvc is 123", "4111111111111111 12/27 CVC 123", "Cvv2=123"])
def test_a_check_code_is_masked(text):
    assert "123" not in mask_cards(text)


@pytest.mark.parametrize(
    "text",
    [
        "10987654321098",  # no issuer begins like that
        "9223372036854775807",
        "4111111111111112",  # the check digit is wrong
        "41111111111111110000000",  # longer than a card
        "411111111111",  # shorter
        "1761200000000",  # milliseconds
        "20261125184328",
        "2026-11-25 18:43:28.123456",
        "30-01-2026 - 05-02-2026",
        "2026-10-05 2026-10-06",
        "4 guests from 2026-10-05 to 2026-10-09",
        "123e4567-e89b-12d3-a456-426614174000",
        "41111111-1111-4111-8111-111111111111",
        "DE89 3704 0044 0532 0130 00",
        "DE89370400440532013000",
        "GB29 NWBK 6016 1331 9268 19",
        "ES91 2100 0418 4501 0200 0513 32",
        "+49 1512 3456 7890",
        "+4915123456789",
        "call +1 (512) 555-1212 or +1 (512) 555-1313",
        "512-555-1212 512-555-1313",
        "1Z 999 AA1 01 2345 6784",
        "450.00 EUR, 512,50 EUR, 4.111,11 EUR",
        "450 500 550",
        "299855b5f40bd4e65fd83e5382a571e2",
        "10450-40160-2000-1089253764",
        "40160-2000-1089253764",
        "HMP2KQ4B44",
        "cvs 123",
        "",
    ],
)
def test_other_numbers_stay(text):
    assert mask_cards(text) == text


# Numbers that begin like a card and pass the check by chance: told by what stands around them


@given(card_numbers(), st.text("0123456789abcdef", min_size=17, max_size=17))
def test_a_uuid_stays(digits, rest):
    signs = (digits + rest)[:30]
    text = f"{signs[:8]}-{signs[8:12]}-4{signs[12:15]}-8{signs[15:18]}-{signs[18:30]}"
    assert mask_cards(f"run {text} ended") == f"run {text} ended"


@given(card_numbers().filter(lambda digits: len(digits) <= 15))
def test_a_telephone_number_with_its_plus_stays(digits):
    assert mask_cards(f"call +{digits}") == f"call +{digits}"


@given(st.integers(0, 10**18 - 1), st.integers(0, 99))
def test_an_iban_stays(account, country):
    bban = f"{account:018d}"
    number = int(f"{bban}131400")  # DE00
    text = f"DE{98 - number % 97:02d}{bban}"
    assert mask_cards(text) == text
    spaced = " ".join(text[place : place + 4] for place in range(0, len(text), 4))
    assert mask_cards(f"to {spaced}.") == f"to {spaced}."


@given(st.text())
def test_masking_twice_is_masking_once(text):
    assert mask_cards(mask_cards(text)) == mask_cards(text)


@given(st.text("0123456789 -", max_size=60))
def test_masking_digits_twice_is_masking_them_once(text):
    assert mask_cards(mask_cards(text)) == mask_cards(text)


@given(st.text(st.characters(exclude_categories=["Cs", "Nd"]), max_size=60))
def test_a_text_without_digits_stays(text):
    assert mask_cards(text) == text


@given(st.text("0123456789", min_size=11, max_size=21))
def test_the_check_digit_is_luhns(digits):
    if is_card_number(digits):
        assert luhn(digits)
        assert 13 <= len(digits) <= 19


@given(written_cards())
def test_logs_are_cleaned_by_the_same_function(card):
    assert card not in scrub(f"refused: {card}")


def test_a_long_text_of_digits_is_read_in_one_go():
    """A megabyte of digits, in one piece or in fours, is what a stranger may send."""
    for text in ("4" * 1_000_000, "4111 " * 200_000, "4 " * 500_000, "4-" * 500_000):
        mask_cards(text)
