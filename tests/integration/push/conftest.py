"""What the tests of the push journey share."""

from typing import Any

import pytest

from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.services import Services
from tests.integration.push.steps import ONE, Deliver


@pytest.fixture
def deliver(services: Services) -> Deliver:
    """Put an event into the inbox, as the receiver does."""

    def deliver_event(event: str, payload: dict[str, Any], kind: str = "reservation", account_id: int = ONE) -> None:
        body = {"object": kind, "event": event, "accountId": account_id, "data": payload}
        services.inbox.accept([(parse_delivery(body), "request-1")])

    return deliver_event
