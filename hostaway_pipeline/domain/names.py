"""Classifies a field by its name: a secret, an identifier, or anything else.

Names are split into words; case, separators and accents do not matter: `doorCode`, `Door-Code` and `DOORCODE` are one.
cards.py and redaction.py look at values instead.
"""

import re
import unicodedata
from enum import IntEnum
from functools import lru_cache


class Kind(IntEnum):
    """`NAME` and `VALUE` are the two halves of a custom field. From `SECRET` on, the value is dropped."""

    TEXT = 0
    IDENTIFIER = 1
    PHONE = 2
    NAME = 3
    VALUE = 4
    SECRET = 5
    LINK_HASH = 6  # it signs anybody in as the guest, so it is masked wherever the payload repeats it


_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_]+")
_TWO_WORDS = re.compile(r"_(wi_fi|key_box|lock_box|door_bell|pass_code|pass_word|pin_code|c_vv|c_vc|mot_de_passe)(?=_)")
# `hasDoorCode` and `doorCodeVendor` say that there is a secret, and do not hold it.
_ABOUT_A_SECRET = re.compile(
    r"^_(is|has|can|should|accepts?|allows?|requires?|supports?|needs)_"
    r"|_(vendor|provider|manufacturer|types?|brand|format|ids?|status|enabled|required|length|count|fee)_$"
)

# Card data. cards.py finds card numbers in fields with other names.
_CARD_WORDS = (
    r"numbers?|num|no|nr|pan|name|holder|owner|code|security|verification|cv[cvn]|pin|exp|expires|expiry|expiration|valid"
    r"|until|date|month|year|token|hash|digits|ending|last|track|details?|info|information|data|secret|object"
)
_CARD_KIND = "credit|debit|payment|pay|bank|virtual|prepaid|corporate|charge|master|key|cc|guest|booking|primary|stored"
_NO_PAYMENT_CARD = r"(?<!_id)(?<!_identity)(?<!_gift)(?<!_loyalty)(?<!_member)(?<!_membership)(?<!_insurance)"
_CARD = re.compile(
    r"_(cvc|cvv|cvn|csc|ccv|vcc)(_?[0-9])?_|_verification_value_|_security_code_|_primary_account_number_|^_pan_$"
    r"|_cc_(?!(emails?|mails?|recipients?|users?)_)."
    rf"|{_NO_PAYMENT_CARD}_(credit|debit|payment|bank)?cards?_(\w+_)?({_CARD_WORDS})_|_card_?holder"
    rf"|^_(({_CARD_KIND})_)*(credit|debit|payment|bank)?cards?_$"
)
_CARD_IN_ONE = re.compile(
    rf"cc(?:{_CARD_WORDS}){{1,4}}|(?:{_CARD_KIND}){{0,3}}cards?(?:{_CARD_WORDS}){{0,4}}"
    r"|(?:card|creditcard|cc)?(?:cvc|cvv|cvn|csc|ccv|security)2?(?:code|number|value)?"
)

# Codes of doors and networks: a word for the place and a word for the code, in any order.
_PLACES = (
    "doors?|frontdoor|backdoor|doorlock|doorbell|gates?|locks?|smartlock|lockbox|keybox|keysafe|keypad|keylock|safe|entry"
    "|entrance|access|building|garage|parking|alarm|intercom|elevator|wifi|wlan|internet"
    "|tur|tuer|haustur|haustuer|schlusselbox|schluesselbox|schlusselkasten|zugang|zugangs|eingang|eingangs|tor"
    "|porte|portail|serrure|acces|puerta|cerradura|acceso|entrada|porta|portone|serratura|accesso|acesso|deur"
)
_CODES = "codes?|pins?|pincodes?|passcodes?|combination|combo|kode|kod|codigos?|codice|clave|senha"
_DOOR_CODE = re.compile(rf"_(?:{_PLACES})_(?:\w+_)?(?:{_CODES})_|_(?:{_CODES})_(?:\w+_)?(?:{_PLACES})_")
_DOOR_CODE_IN_ONE = re.compile(
    rf"(?:guest|main|front|back|the)?(?:{_PLACES})(?:security|access|entry|lock)?(?:{_CODES})(?:instructions?)?"
)
_NETWORK_KEY = re.compile(r"_(wifi|wlan|internet)_?(\w+_)?(keys?|pass|psk|schlussel)_|_pins?_$|_pincodes?_$")
_CODE_HINT = re.compile(r"code|pin|pass|kod|cod[ií]|c[óo]d|clave|senha|combi|key|wort|contrase", re.IGNORECASE)
_CODE_ITSELF = re.compile(r"\d|[:=]")
_PASSWORD = re.compile(
    r"(password|passwd|passcode|passphrase|passwort|kennwort|contrasena|motdepasse)s?_|_secret_|_api_?key_"
    r"|_?(auth|access|refresh|session|login)_?tokens?_"
)

_LINK_HASH = re.compile(
    r"(auth|portal|login)_?hash_|guest_?portal_?(\w+_?)?(ur[li]|link|href|token|hash|key)_|guest_?portal_$"
)

_PHONE = re.compile(r"phones?(_?[0-9])?_$|_(mobile|fax|whats_?app|tel|telephone)(_number)?_$")
_IDENTIFIER = re.compile(
    r"(_|_[rgu]|_uu|external|reservation|listing|account|user|guest|thread|message)ids?_$|_(uid|ruid|guid)s?_$"
    r"|_(hash|codes?|ref|reference|slug|sku|iban|bic|swift|zip|postal|signature|checksum|etag)(_[0-9]+)?_$"
    r"|(zip|post)_?code_$|(ur[li]|link|href|website|email|picture|thumbnail)s?(_[0-9]+)?_$"
    r"|_(licen[cs]e|permit|invoice|tax|vat|tracking|registration|booking|reservation|order|confirmation|passport|document"
    r"|account|routing|flight|reference)_(number|no|nr)_$"
)
_NAMES = frozenset(
    {"name", "varname", "title", "label", "key", "fieldname", "variable", "updatedfield", "updatedfieldlabel"}
)
_FIELDS = frozenset({"customfield", "field", "customfielddefinition"})  # objects that hold the name
_VALUES = frozenset({"value", "values", "fieldvalue", "newvalue", "previousvalue", "oldvalue"})
# No real name is longer; a crafted one must not make the patterns search all of it.
_MAX_LENGTH = 80


def kind_of_name(name: str) -> Kind:
    words = _words(name)
    joined = words.replace("_", "")
    if _LINK_HASH.search(words):
        return Kind.LINK_HASH
    if _is_secret(words, joined):
        return Kind.SECRET
    if joined in _VALUES:
        return Kind.VALUE
    if joined in _NAMES or joined in _FIELDS or joined.endswith("customfieldname"):
        return Kind.NAME
    if _PHONE.search(words):
        return Kind.PHONE
    return Kind.IDENTIFIER if _IDENTIFIER.search(words) else Kind.TEXT


@lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    return kind_of_name(name) >= Kind.SECRET


def reveals_code(text: str) -> bool:
    """Whether a short text holds a door code or a password, such as `Gate: code 4711`."""
    if _CODE_HINT.search(text) is None or _CODE_ITSELF.search(text) is None:
        return False
    words = _words(text)
    return any(pattern.search(words) for pattern in (_DOOR_CODE, _NETWORK_KEY, _PASSWORD))


def _is_secret(words: str, joined: str) -> bool:
    if _ABOUT_A_SECRET.search(words):
        return False
    is_by_words = any(pattern.search(words) for pattern in (_CARD, _DOOR_CODE, _NETWORK_KEY, _PASSWORD))
    return is_by_words or any(pattern.fullmatch(joined) for pattern in (_CARD_IN_ONE, _DOOR_CODE_IN_ONE))


def _words(name: str) -> str:
    """Lower-case words between underscores: `Door-Code` is `_door_code_`."""
    plain = unicodedata.normalize("NFKD", name[:_MAX_LENGTH])
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    words = "_" + "".join(f"{word.lower()}_" for word in _WORD.findall(plain))
    return _TWO_WORDS.sub(lambda found: "_" + found[1].replace("_", ""), words)
