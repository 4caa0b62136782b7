"""Looks up what a request names. Only NotFound becomes a 404; any other KeyError is a bug of the sandbox, a 500."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class NotFound(Exception):
    """Raised for an id or name that does not exist."""

    def __init__(self, name: object) -> None:
        super().__init__(f"not found: {name}")


def find(objects: Mapping[K, V], name: K) -> V:
    """Return the object with that id or name, which came from a request. Raises NotFound."""
    if name not in objects:
        raise NotFound(name)
    return objects[name]
