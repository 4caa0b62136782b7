"""One object by its id: what Hostaway says of it, and when it may be believed that the object has gone."""

from hostaway_pipeline.client.answers import ApiObject
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.errors import NotFound, ObjectRefused


def read_by_id(client: HostawayClient, path: str) -> ApiObject | ObjectRefused:
    """The object, or why Hostaway does not give it; NotFound only when a second read, asked later, says so too.

    Raises what is no fault of one object.
    """
    answer = ask(client, path)
    return ask(client, path) if isinstance(answer, NotFound) else answer


def ask(client: HostawayClient, path: str) -> ApiObject | ObjectRefused:
    """One read. NotFound is one word only: no proof."""
    try:
        return client.get_object(path)
    except ObjectRefused as error:
        return error
