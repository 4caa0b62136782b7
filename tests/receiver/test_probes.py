"""Probes and metrics: what works, and what all processes have done, without ids and secrets."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.security.keyring import generate_key
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.urls import sibling_url
from tests.factories import reservation, synced
from tests.receiver.steps import ACCOUNT, PING, OpenReceiver, Receiver, basic, delivery, running_on
from tests.waiting import in_the_background, wait_until


def get(receiver: Receiver, path: str) -> tuple[int, str]:
    answer = receiver.http.get(receiver.url + path, timeout=30)
    return answer.status_code, answer.text


def test_health_and_ready_need_no_key(receiver: Receiver) -> None:
    assert get(receiver, "/health") == (200, '{"status":"ok"}')
    assert get(receiver, "/ready") == (200, '{"status":"ready"}')


def test_ready_reports_an_unavailable_database(sandbox: SandboxServer) -> None:
    away = f"postgresql://user:sesame@127.0.0.1:{free_port()}/hostaway"
    with running_on(away, sandbox) as receiver:
        status, text = get(receiver, "/ready")
        assert (status, get(receiver, "/health")[0]) == (503, 200)
        assert "cannot be reached" in text
        assert "sesame" not in text


@pytest.fixture
def empty_database(database_url: str) -> str:
    """Nobody has migrated it."""
    name = f"not_migrated_{os.getpid()}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    return sibling_url(database_url, name)


def test_ready_reports_an_old_schema_and_no_delivery_is_answered_2xx(
    sandbox: SandboxServer, empty_database: str
) -> None:
    with running_on(empty_database, sandbox) as receiver:
        status, text = get(receiver, "/ready")
        assert status == 503
        assert "hostaway db migrate" in text
        answer = receiver.post(b"{}", basic("login", "password"))
        assert answer.status_code >= 500, "Hostaway tries again"
        assert "SELECT" not in answer.text


def test_ready_reports_a_wrong_encryption_key(open_receiver: OpenReceiver) -> None:
    receiver = open_receiver(encryption_keys=f"test:{generate_key()}")
    status, text = get(receiver, "/ready")
    assert status == 503
    assert "HOSTAWAY_ENCRYPTION_KEYS" in text
    assert receiver.deliver(delivery()).status_code == 503
    assert receiver.api("PATCH", f"/accounts/{ACCOUNT}", {"client_secret": "x"}).status_code in (422, 503)


def figures(receiver: Receiver) -> dict[str, list[tuple[dict[str, str], float]]]:
    """By the name of the sample."""
    answer = receiver.http.get(f"{receiver.url}/metrics", timeout=30)
    assert answer.status_code == 200
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def total(found: dict[str, list[tuple[dict[str, str], float]]], name: str, **labels: str) -> float:
    return sum(value for given, value in found.get(name, []) if given.items() >= labels.items())


def test_deliveries_are_counted_by_result(open_receiver: OpenReceiver) -> None:
    receiver = open_receiver()
    receiver.deliver(delivery(reservation(1)))
    receiver.deliver(delivery(reservation(1)))
    receiver.post(PING)
    receiver.post(b"{}")
    receiver.deliver(b"no json")
    receiver.deliver(delivery(accountId=4711))
    receiver.deliver(b"x" * 1_100_000)
    receiver.deliver(delivery(), **{"Content-Encoding": "gzip"})
    found = figures(receiver)
    results = {labels["result"]: value for labels, value in found["hostaway_webhook_deliveries_total"]}
    assert results == {
        "accepted": 2, "ping": 1, "wrong_credentials": 1, "malformed": 1, "wrong_account": 1, "too_large": 1,
        "compressed": 1,
    }  # fmt: skip
    assert total(found, "hostaway_webhook_events_stored_total") == 1
    assert total(found, "hostaway_webhook_repetitions_total") == 1
    assert total(found, "hostaway_webhook_commits_total") == 2


def test_metrics_show_depth_and_age_of_the_inbox(receiver: Receiver) -> None:
    assert total(figures(receiver), "hostaway_inbox_pending") == 0
    for number in range(3):
        receiver.deliver(delivery(reservation(number)))
    found = figures(receiver)
    assert total(found, "hostaway_inbox_pending") == 3
    assert total(found, "hostaway_inbox_failed") == 0
    assert 0 < total(found, "hostaway_inbox_oldest_seconds") < 60
    assert (total(found, "hostaway_active_accounts"), total(found, "hostaway_up")) == (1, 1)


def test_metrics_show_what_pending_events_wait_for(receiver: Receiver, services: Services, database_url: str) -> None:
    for number in range(3):
        receiver.deliver(delivery(reservation(number)))
    services.inbox.claim(1)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE hostaway.webhook_events SET retry_at = now() + interval '1 h' "
            "WHERE id = (SELECT max(id) FROM hostaway.webhook_events)"
        )
    waiting = {labels["state"]: value for labels, value in figures(receiver)["hostaway_inbox_pending"]}
    assert waiting == {"ready": 1, "claimed": 1, "later": 1}


def test_metrics_show_messages_that_are_not_known_to_be_sent(
    receiver: Receiver, services: Services, database_url: str
) -> None:
    def shown() -> dict[str, float]:
        return {labels["status"]: value for labels, value in figures(receiver)["hostaway_outbox_messages"]}

    assert shown() == {"pending": 0, "sending": 0, "unclear": 0}
    text = {"account_id": ACCOUNT, "reservation_id": 1, "conversation_id": 1, "communication_type": "email"}
    keys = ("waits", "begun", "lost", "arrived", "refused", "given up")
    added = {key: services.outbox.add(key, body=key, **text) for key in keys}
    for key in keys[1:]:
        added[key] = services.outbox.begin(added[key], set(), patience=0) or added[key]
    services.outbox.record_outcome(added["lost"], "unclear", "no answer")
    services.outbox.record_outcome(added["refused"], "failed", "no such reservation")
    services.outbox.record_sent(added["arrived"], 7)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE hostaway.outbound_messages SET created_at = now() - interval '25 h' WHERE id = %s",
            (added["given up"].id,),
        )
    assert shown() == {"pending": 1, "sending": 1, "unclear": 1}


def test_metrics_show_accounts_that_need_a_look(receiver: Receiver, database_url: str) -> None:
    found = figures(receiver)
    assert (total(found, "hostaway_paused_accounts"), total(found, "hostaway_stale_accounts")) == (0, 0)
    assert total(found, "hostaway_database_bytes") > 1_000_000
    change = (
        "UPDATE hostaway.accounts SET paused_until = now() + interval '1 h', last_sync_at = now() - interval '29 h'"
    )
    with psycopg.connect(database_url) as connection:
        connection.execute(change)
        connection.execute("UPDATE hostaway.cadences SET next_due_at = now() - interval '10 min', requested_at = NULL")
    found = figures(receiver)
    assert (total(found, "hostaway_paused_accounts"), total(found, "hostaway_stale_accounts")) == (1, 1)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE hostaway.accounts SET paused_until = NULL")
        connection.execute("DELETE FROM hostaway.cadences")
        connection.execute(
            "INSERT INTO hostaway.cadences (account_id, mode, next_due_at) "
            "SELECT account_id, 'reconcile', now() - interval '10 min' FROM hostaway.accounts"
        )
    late = {labels["mode"]: value for labels, value in figures(receiver)["hostaway_due_seconds"]}
    assert 600 <= late["reconcile"] < 700


def test_metrics_include_other_processes(
    receiver: Receiver, open_services: Callable[..., Services], services: Services, sandbox: SandboxServer
) -> None:
    """These services share nothing with the receiver's but the database."""
    other = open_services(sandbox, rate_limit_ip="100/1", rate_limit_account="50/1")
    sandbox.tokens.revoke_all(ACCOUNT)
    sandbox.limits.update(ip=0, window=1.0)
    with in_the_background(lambda: synced(other, ACCOUNT, entities=("listings", "reservations"))):
        wait_until(lambda: sandbox.counters.http_429 > 0)
        sandbox.limits.update(ip=None)
    other.telemetry.flush()

    found = figures(receiver)
    assert total(found, "hostaway_syncs_total", status="succeeded") == 1
    assert total(found, "hostaway_records_total", journey="pull", entity="reservations", outcome="inserted") == 12
    assert total(found, "hostaway_token_refreshes_total") == 1
    assert total(found, "hostaway_api_429_total") == sandbox.counters.http_429 > 0
    assert total(found, "hostaway_api_requests_total", outcome="ok") > 2
    requests = total(found, "hostaway_api_requests_total", endpoint="/reservations")
    assert total(found, "hostaway_api_request_seconds_count", endpoint="/reservations") == requests
    assert total(found, "hostaway_api_request_seconds_bucket", endpoint="/reservations", le="+Inf") == requests
    assert total(found, "hostaway_db_statement_seconds_count", statement="merge") > 0
    pace = {labels["scope"]: value for labels, value in found["hostaway_pace"]}
    assert pace.keys() == {"ip", "account"}


def test_metrics_show_how_often_accounts_are_synced_and_how_many_wait(receiver: Receiver, services: Services) -> None:
    services.cadences.plan_missing()
    for minutes in (30, 0):
        services.cadences.record_success(ACCOUNT, ["refresh"], datetime.now(UTC) - timedelta(minutes=minutes))
    services.cadences.request(ACCOUNT, "full")
    found = figures(receiver)
    assert total(found, "hostaway_due_accounts", mode="full") == 1
    assert total(found, "hostaway_due_accounts", mode="refresh") == 0
    assert total(found, "hostaway_sync_interval_seconds", mode="refresh") == pytest.approx(1800, abs=60)
    assert total(found, "hostaway_sync_oldest_seconds", mode="refresh") < 60


def test_labels_hold_no_ids(receiver: Receiver, services: Services) -> None:
    synced(services, ACCOUNT)
    services.telemetry.flush()
    receiver.deliver(delivery())
    receiver.api("GET", f"/accounts/{ACCOUNT}")
    labels = {
        value
        for name, samples in figures(receiver).items()
        for given, _ in samples
        for key, value in given.items()
        if key != "le"
    }
    assert [value for value in labels if re.search(r"\d", value)] == []


def test_metrics_include_what_was_counted_just_before(receiver: Receiver) -> None:
    before = total(figures(receiver), "hostaway_db_statement_seconds_count")
    assert total(figures(receiver), "hostaway_db_statement_seconds_count") > before


def test_metrics_count_what_could_not_be_read(receiver: Receiver, services: Services, sandbox: SandboxServer) -> None:
    first, second, *_ = sandbox.world.account(ACCOUNT).reservations
    sandbox.world.account(ACCOUNT).update_reservation(first, adults="two", petFee=5)
    sandbox.world.account(ACCOUNT).update_reservation(second, petFee=5)
    synced(services, ACCOUNT, entities=("listings", "reservations"))
    found, name = figures(receiver), "hostaway_payload_findings_total"
    assert total(found, name, entity="reservations", finding="unreadable") == 1
    assert total(found, name, entity="reservations", finding="unknown") == 2
    assert total(found, name) == 3
