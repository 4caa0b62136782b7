"""Whether two texts read alike to a guest, and whether there is anything to read."""

import html
import re
import unicodedata

# What Hostaway's mail templates may make of a line's end.
_BREAKS = re.compile(r"</?(?:br|p|div)\s*/?>", re.IGNORECASE)
# What an account may have appended to every message: all that follows a line of dashes or underscores.
_SIGNATURE = re.compile(r"(?:\r\n?|\n|</?(?:br|p|div)\s*/?>)\s*(?:-{2,}|_{2,})[ \t]*(?:\r\n?|\n|<).*", re.DOTALL)
# Shows nothing, although Unicode counts them as letters, marks or symbols: fillers, the empty braille pattern, joiners
# and variation selectors.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u2800\u3164\uffa0\ufe00-\ufe0f]")
_UNSEEN = {"Cc", "Cf", "Zs", "Zl", "Zp"}
# Text is escaped once by whoever stores it, and perhaps once more by whoever shows it.
_MOST_ESCAPES = 3


def is_same_text(stored: str, sent: str) -> bool:
    """Whether a message as Hostaway stores it can be the one that was sent: HTML entities, line ends, spaces, the form
    of accents, and a signature below it are Hostaway's own."""
    wanted = _as_read(sent)
    return wanted in (_as_read(stored), _as_read(_SIGNATURE.sub("", _unescaped(stored))))


def is_blank(text: str) -> bool:
    """Nothing but spaces and characters that do not show."""
    return all(unicodedata.category(character) in _UNSEEN for character in _INVISIBLE.sub("", text))


def _as_read(text: str) -> str:
    plain = unicodedata.normalize("NFC", _BREAKS.sub(" ", _unescaped(text)))
    return " ".join("".join(c for c in plain if unicodedata.category(c) != "Cf").split())


def _unescaped(text: str) -> str:
    for _ in range(_MOST_ESCAPES):
        plain = html.unescape(text)
        if plain == text:
            break
        text = plain
    return text
