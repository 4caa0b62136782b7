"""What a request names and does not exist. Only this becomes a 404: any other KeyError is a mistake of ours, a 500."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class NotFound(Exception):
    """Nothing has this id or name."""

    def __init__(self, name: object) -> None:
        super().__init__(f"not found: {name}")


def found(objects: Mapping[K, V], name: K) -> V:
    """The object of that id or name; raises NotFound. For what came from outside, not for our own keys."""
    if name not in objects:
        raise NotFound(name)
    return objects[name]
