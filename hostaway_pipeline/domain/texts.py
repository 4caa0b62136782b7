"""Compares messages as a guest reads them, and recognises blank ones."""

import html
import re
import unicodedata

# Hostaway's mail templates may turn a line break into any of these.
_BREAKS = re.compile(r"</?(?:br|p|div)\s*/?>", re.IGNORECASE)
# A signature that an account appends to every message: everything after a line of dashes or underscores.
_SIGNATURE = re.compile(r"(?:\r\n?|\n|</?(?:br|p|div)\s*/?>)\s*(?:-{2,}|_{2,})[ \t]*(?:\r\n?|\n|<).*", re.DOTALL)
# Invisible, although Unicode counts them as letters, marks or symbols: fillers, the empty braille pattern, joiners and
# variation selectors.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u2800\u3164\uffa0\ufe00-\ufe0f]")
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Zs", "Zl", "Zp"}
# A text may be escaped when it is stored and again when it is shown.
_MAX_ESCAPES = 3


def is_same_text(stored: str, sent: str) -> bool:
    """Whether Hostaway's stored message can be the one that was sent.

    Differences in HTML entities, line breaks, spaces and the form of accents, and a signature below, do not count.
    """
    return _normalize(sent) in (_normalize(stored), _normalize(_SIGNATURE.sub("", _unescape(stored))))


def is_blank(text: str) -> bool:
    """Whether a text holds only spaces and invisible characters."""
    return all(unicodedata.category(character) in _INVISIBLE_CATEGORIES for character in _INVISIBLE.sub("", text))


def _normalize(text: str) -> str:
    plain = unicodedata.normalize("NFC", _BREAKS.sub(" ", _unescape(text)))
    return " ".join("".join(c for c in plain if unicodedata.category(c) != "Cf").split())


def _unescape(text: str) -> str:
    for _ in range(_MAX_ESCAPES):
        plain = html.unescape(text)
        if plain == text:
            break
        text = plain
    return text
