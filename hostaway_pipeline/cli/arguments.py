"""What arguments of commands must be, besides their types."""

LARGEST_ID = 2**63 - 1
"""Of a bigint, as which Postgres stores every id."""


def is_text(text: str) -> bool:
    """False for bytes that are not UTF-8: Python keeps them as lone surrogates, which nothing can store or send."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
