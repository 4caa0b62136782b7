"""Reads one object by id, and confirms with a second read that an object is gone."""

from hostaway_pipeline.client.answers import ApiObject
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.errors import NotFound, ObjectRefused


def read_by_id(client: HostawayClient, path: str) -> ApiObject | ObjectRefused:
    """The object, or why Hostaway refuses it; NotFound only when a second, later read agrees.

    Raises an ApiError that is not about this object.
    """
    answer = ask(client, path)
    return ask(client, path) if isinstance(answer, NotFound) else answer


def ask(client: HostawayClient, path: str) -> ApiObject | ObjectRefused:
    """One read. A single NotFound proves nothing."""
    try:
        return client.get_object(path)
    except ObjectRefused as error:
        return error
