"""What secrets and personal data look like in running text. By the names of fields, log.py decides."""

import re

REDACTED = "[redacted]"

_NAMES = r"[\w-]*(?:secret|token|password|passwd)"
_PRIVATE_TEXT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), r"\1 " + REDACTED),
    # name=value, "name": "value", 'name': 'value with blanks'
    (re.compile(rf"(?i)({_NAMES}['\"]?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s&\"',}}\])]+)"), r"\1" + REDACTED),
    (re.compile(r"(?i)([\w-]*(?:encryption|api)_keys?\s*=\s*)\S+"), r"\1" + REDACTED),
    (re.compile(r"(?i)(://[^/\s:@]*):[^/\s@]+@"), r"\1:" + REDACTED + "@"),
    (re.compile(r"\bv1:[A-Za-z0-9_.-]{1,64}:[A-Za-z0-9+/=]{20,}"), REDACTED),
    (re.compile(r"\b[A-Za-z0-9_.-]{1,64}:[A-Za-z0-9_-]{43}="), REDACTED),  # id:key
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), REDACTED),
    (re.compile(r"(?<!\w)\+\d[\d ()-]{7,}\d"), REDACTED),
)
# Digits in one run or in groups of four (or 4-6-5) with one kind of separator; the check digit decides.
_CARD = re.compile(r"(?<![\w.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5})(?![\w-]|\.\d)")


def scrub(text: str) -> str:
    """The text without bearer tokens, passwords, e-mail addresses, phone and card numbers."""
    for pattern, replacement in _PRIVATE_TEXT:
        text = pattern.sub(replacement, text)
    return _CARD.sub(lambda found: REDACTED if _is_card(found[0]) else found[0], text)


def _is_card(text: str) -> bool:
    """Luhn's check: ids and times of the same length pass it one time in ten."""
    digits = [int(sign) for sign in reversed(text) if sign.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
