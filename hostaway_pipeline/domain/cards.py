"""Finds and masks card numbers in text, by their first digits, length and check digit (Luhn).

One in ten long numbers passes the check by chance, so fields that hold ids are exempt: see names.py.
"""

import re
from collections.abc import Iterator
from itertools import islice

REDACTED = "[redacted]"

# What people write between digits: blanks of any width, dashes of any length.
_GAP = "[ \t\u00a0\u2000-\u200a\u202f\u2010-\u2015\u2212-]{0,3}"
# 13 digits or more in one run.
_RUN = re.compile(rf"\d(?:{_GAP}\d){{12,}}")
_GROUP = re.compile(r"\d+")
_NO_DIGIT = re.compile(r"\D+")
# Visa, Mastercard, American Express, Discover, JCB, Diners, UnionPay, Maestro, Mir.
_ISSUER = re.compile(r"4|5[0-8]|2(?:20[0-4]|22[1-9]|2[3-9]|[3-6]|7[01]|720)|3(?:0[0-59]|[4-9])|6(?:011|2|3|4[4-9]|5|7)")
_MIN_DIGITS, _MAX_DIGITS = 13, 19
_MAX_PHONE_DIGITS = 15
_CONTEXT = 48  # characters to look at on both sides; longer than an IBAN with its blanks
_DOUBLED = str.maketrans("0123456789", "0246813579")

_NO_CARD = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-f])"  # UUID
    r"|(?<!\d)(?:19|20)\d\d([ -])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)"  # date
    r"|(?<!\d)(?:0[1-9]|[12]\d|3[01])([ -])(?:0[1-9]|1[0-2])\2(?:19|20)\d\d(?!\d)"
    r"|(?<!\d)\d{5,}-20[0-4]\d-\d+",  # Hostaway's own text ids: listing, channel, number
    re.IGNORECASE,
)
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Z0-9])")
# A check code may come in a message of its own, without the card number.
_CHECK_CODE = re.compile(r"(?i)\b((?:cv[cv]2?|csc|security code)(?:\s+(?:code|number|is))*[\s:=#-]*)\d{3,4}(?!\d)")
# A cheap test: no false negatives for card numbers and check codes in ASCII, and times of day do not match.
may_hold_card = re.compile(r"[0-9cC](?:[0-9 \t-]{12}(?!(?<= [0-9][0-9]):)|[vV][cCvV])").search


def mask_cards(text: str) -> str:
    """Replace card numbers and check codes; the rest of the text stays as it is."""
    is_suspect = may_hold_card(text) is not None
    if (is_suspect or not text.isascii()) and (run := _RUN.search(text)) is not None:
        text = _mask_runs(text, run)
    return _CHECK_CODE.sub(rf"\1{REDACTED}", text) if is_suspect else text


def digits_of(text: str) -> str:
    """The digits of a text as ASCII, whatever script they are written in."""
    digits = _NO_DIGIT.sub("", text)
    return digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)


def is_card_number(digits: str) -> bool:
    """Whether 13 to 19 digits begin like a card of a known issuer and pass Luhn's check."""
    if not _MIN_DIGITS <= len(digits) <= _MAX_DIGITS or _ISSUER.match(digits) is None:
        return False
    checked = digits[-1::-2] + digits[-2::-2].translate(_DOUBLED)
    return sum(map(int, checked)) % 10 == 0


def _mask_runs(text: str, run: re.Match[str] | None) -> str:
    parts, end = [], 0
    while run is not None:
        for first, last in _cards_in(text, run):
            if first >= end and not _is_within_another_number(text, first, last):
                parts += [text[end:first], REDACTED]
                end = last
        run = _RUN.search(text, run.end())
    return "".join([*parts, text[end:]])


def _cards_in(text: str, run: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Yield the spans of card numbers in a run of digits; of those with the same start, the longest."""
    start, stop = run.span()
    groups = [group.span() for group in _GROUP.finditer(text, start, stop)]
    if len(groups) <= _MAX_DIGITS:
        digits = digits_of(run[0])
        if len(digits) <= _MAX_PHONE_DIGITS and text[max(0, start - 2) : start].rstrip().endswith("+"):
            return
        if is_card_number(digits):
            yield start, stop
    for place, (first, end) in enumerate(groups):
        if end - first >= 4:
            numbers = ((first, last) for last in reversed(_ends(groups[place : place + 5])))
            yield from islice((number for number in numbers if is_card_number(digits_of(text[slice(*number)]))), 1)


def _ends(groups: list[tuple[int, int]]) -> list[int]:
    """The ends of numbers that start with the first group: groups of 4, then 4-6-5, 4-6-4, or the first group alone."""
    sizes = [last - first for first, last in groups]
    is_joined = [all(size == 4 for size in sizes[:count]) or sizes[:count] == [4, 6] for count in range(len(sizes))]
    return [last for (_, last), joined in zip(groups, is_joined, strict=True) if joined]


def _is_within_another_number(text: str, first: int, last: int) -> bool:
    """Whether the span overlaps a UUID, a date, one of Hostaway's text ids or a valid IBAN."""
    context = max(0, first - _CONTEXT), last + _CONTEXT
    spans = [match.span() for match in _NO_CARD.finditer(text, *context)]
    spans += [match.span() for match in _IBAN.finditer(text, *context) if _is_iban(match[0])]
    return any(start < last and first < stop for start, stop in spans)


def _is_iban(text: str) -> bool:
    iban = text.replace(" ", "")
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1
