"""Removes secrets and personal data from text by their look. log.py also redacts by the names of fields."""

import re

from hostaway_pipeline.domain.cards import REDACTED, mask_cards

_NAMES = (
    r"[\w-]*(?:secret|token|password|passwd|cv[cv]2?|cc[_-]?number|card[_-]?number"
    r"|door[_-]?(?:security[_-]?)?code|auth[_-]?hash|portal[_-]?url)"
)
_PRIVATE_TEXT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), r"\1 " + REDACTED),
    # name=value, "name": "value", 'name': 'value with blanks'
    (re.compile(rf"(?i)({_NAMES}['\"]?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s&\"',}}\])]+)"), r"\1" + REDACTED),
    (re.compile(r"(?i)([\w-]*(?:encryption|api)_keys?\s*=\s*)\S+"), r"\1" + REDACTED),
    # up to the last @ of the word: a password may hold an @ or a slash, though neither belongs there
    (re.compile(r"(://[^/\s:]*):[^\s\"'<>]+@"), r"\1:" + REDACTED + "@"),
    (re.compile(r"\bv1:[A-Za-z0-9_.-]{1,64}:[A-Za-z0-9+/=]{20,}"), REDACTED),
    (re.compile(r"\b[A-Za-z0-9_.-]{1,64}:[A-Za-z0-9_-]{43}="), REDACTED),  # id:key
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), REDACTED),
    (re.compile(r"(?<!\w)\+\d[\d ()-]{7,}\d"), REDACTED),
)


def scrub(text: str) -> str:
    """Redact bearer tokens, passwords, keys, e-mail addresses, phone numbers and card numbers."""
    for pattern, replacement in _PRIVATE_TEXT:
        text = pattern.sub(replacement, text)
    return mask_cards(text)
