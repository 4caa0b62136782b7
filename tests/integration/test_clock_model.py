"""Whatever a hostile Hostaway does, the tables equal it after one reconcile that begins later than the trust span."""

import time
from random import Random

import pytest

from tests.factories import OpenSandbox, OpenServices, add_account, sync, synced
from tests.integration.clock_model import Model, differences

ACCOUNT, TRUST, STEPS = 1, 1.0, 400


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_one_reconcile_repairs_every_history(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str, seed: int
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
