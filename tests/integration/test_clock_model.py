"""Whatever a hostile Hostaway does, the tables equal it after one reconcile that is asked later than the trust span."""

import time
from collections.abc import Callable
from random import Random

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import add_account, sync, synced
from tests.integration.clock_model import Model, differences

ACCOUNT, TRUST, STEPS = 1, 1.0, 400


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_one_reconcile_repairs_every_history(
    open_sandbox: Callable[..., SandboxServer], open_services: Callable[..., Services], database_url: str, seed: int
) -> None:
    sandbox = open_sandbox("1:4:12")
    services = open_services(sandbox, clock_trust=TRUST)
    add_account(services, ACCOUNT)
    synced(services, ACCOUNT)
    with services.client(ACCOUNT) as client:
        tables = services.pull_writer(services.accounts.get(ACCOUNT), dry_run=False)
        model = Model(services, sandbox, ACCOUNT, client, tables, Random(seed))
        for _ in range(STEPS):
            model.step()
        model.finish()
    time.sleep(TRUST + 0.2)
    report = sync(services, ACCOUNT, mode="reconcile", allow_mass_delete=True)
    assert report.error is None
    assert differences(services, database_url, sandbox, ACCOUNT) == [], model.done
