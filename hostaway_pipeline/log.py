"""Logging: one pipeline for structlog and the standard library, and the one processor that redacts.

What must not be logged is decided here and nowhere else: by the name of a field, and by the look of a text.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

REDACTED = "[redacted]"

_PRIVATE_KEY = re.compile(
    r"secret|token|passw|authorization|cookie|api_?key|encryption|credential|door|wifi|cvc|^cc[_A-Z]|card"
    r"|guest|email|phone|recipient|body|message_text|payload|address",
    re.IGNORECASE,
)
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


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """structlog processor: the last one before rendering, so that nothing is added after it."""
    return {key: _redacted(key, value) for key, value in event.items()}


def configure_logging(level: str = "INFO") -> None:
    """Colours on a terminal, one JSON object per line anywhere else; always on stderr, for stdout carries answers."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("urllib3", "alembic", "sqlalchemy", "watchfiles"):
        logging.getLogger(noisy).setLevel("WARNING")


def _redacted(key: str, value: Any) -> Any:
    if _PRIVATE_KEY.search(key) and value is not None and not isinstance(value, bool):
        return REDACTED
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {k: _redacted(str(k), v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", part) for part in value]
    if isinstance(value, int | float) or value is None:
        return value
    return scrub(str(value))
