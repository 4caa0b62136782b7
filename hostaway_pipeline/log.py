"""Logging: one pipeline for structlog and the standard library, with one processor that redacts.

Only this module decides what must not be logged: by the names of fields, and by the look of texts.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from hostaway_pipeline.domain.cards import REDACTED
from hostaway_pipeline.domain.names import is_secret
from hostaway_pipeline.domain.redaction import scrub

_PRIVATE_KEY = re.compile(
    r"secret|token|passw|authorization|cookie|api_?key|encryption|credential|door|wifi|cvc|^cc[_A-Z]|card"
    r"|guest|email|phone|recipient|body|message_text|payload|address",
    re.IGNORECASE,
)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """structlog processor. It runs last before rendering, so that nothing is added after it."""
    return {key: _redact_value(key, value) for key, value in event.items()}


def configure_logging(level: str = "INFO") -> None:
    """Log to stderr (stdout carries results): coloured on a terminal, elsewhere one JSON object per line."""
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


def _redact_value(key: str, value: Any) -> Any:
    if (_PRIVATE_KEY.search(key) or is_secret(key)) and value is not None and not isinstance(value, bool):
        return REDACTED
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {k: _redact_value(str(k), v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value("", part) for part in value]
    if isinstance(value, int | float) or value is None:
        return value
    return scrub(str(value))
