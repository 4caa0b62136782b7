"""What alerts and dashboard watch is what /metrics shows."""

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

from hostaway_pipeline.services import Services
from tests.deploy.queries import QUERIES, names
from tests.factories import synced
from tests.receiver.steps import ACCOUNT, Receiver


def test_every_metric_of_alerts_and_dashboard_is_shown(receiver: Receiver, services: Services) -> None:
    synced(services, ACCOUNT, entities=("listings",))
    services.telemetry.flush()
    families = list(text_string_to_metric_families(receiver.http.get(f"{receiver.url}/metrics", timeout=30).text))
    shown = {"up"} | {
        name for family in families for name in (family.name, *(sample.name for sample in family.samples))
    }
    shown |= {f"{family.name}_total" for family in families if family.type == "counter"}
    for title, query in QUERIES.items():
        assert set(names(promql_parser.parse(query))) <= shown, title
