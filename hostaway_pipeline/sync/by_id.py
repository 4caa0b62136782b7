"""One object by its id: what Hostaway says of it, and when it may be believed that the object has gone."""

from hostaway_pipeline.client.client import ApiObject, HostawayClient
from hostaway_pipeline.errors import InvalidCredentials, NotFound, PermanentApiError


def read_by_id(client: HostawayClient, path: str) -> ApiObject | PermanentApiError:
    """The object, or why Hostaway does not give it; NotFound only when a second read, asked later, says so too.

    Raises what is no fault of one object.
    """
    answer = ask(client, path)
    return ask(client, path) if isinstance(answer, NotFound) else answer


def ask(client: HostawayClient, path: str) -> ApiObject | PermanentApiError:
    """One read. NotFound is one word only: no proof."""
    try:
        return client.one(path)
    except InvalidCredentials:
        raise
    except PermanentApiError as error:
        return error
