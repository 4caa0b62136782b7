"""Syncs over HTTP: requested and answered at once, or as a dry run within the request."""

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import snapshot
from tests.receiver.steps import ACCOUNT, Receiver, requested_modes


@pytest.mark.parametrize("mode", ["full", "reconcile", "refresh"])
def test_a_sync_is_requested_and_answered_at_once(
    receiver: Receiver, sandbox: SandboxServer, database_url: str, mode: str
) -> None:
    answer = receiver.api("POST", f"/accounts/{ACCOUNT}/sync?mode={mode}")
    assert answer.status_code == 202
    assert answer.json() == {"account_id": ACCOUNT, "mode": mode, "status": "requested"}
    assert requested_modes(database_url, ACCOUNT) == [mode]
    assert sandbox.counters.total == 0


def test_a_dry_run_counts_and_writes_nothing(receiver: Receiver, services: Services, database_url: str) -> None:
    before = snapshot(database_url)
    answer = receiver.api("POST", f"/accounts/{ACCOUNT}/sync?dry_run=true&mode=full")
    assert answer.status_code == 200
    report = answer.json()
    assert (report["status"], report["error"], report["mode"]) == ("succeeded", None, "full")
    assert report["entities"]["reservations"] == {
        "fetched": 12, "inserted": 12, "updated": 0, "unchanged": 0, "deleted": 0,
    }  # fmt: skip
    assert report["api_calls"] > 3
    assert snapshot(database_url) == before
    assert requested_modes(database_url, ACCOUNT) == []


def test_a_dry_run_is_refused_while_a_sync_runs(receiver: Receiver, services: Services) -> None:
    with services.account_lock(ACCOUNT, 0):
        answer = receiver.api("POST", f"/accounts/{ACCOUNT}/sync?dry_run=true")
    assert answer.status_code == 409


def test_an_unknown_mode_is_422(receiver: Receiver) -> None:
    assert receiver.api("POST", f"/accounts/{ACCOUNT}/sync?mode=everything").status_code == 422
