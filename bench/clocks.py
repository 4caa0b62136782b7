"""Ten thousand random steps under a clock that jumps, and how many objects differ after one reconcile.

The model is tests/integration/clock_model.py, of which `make test` runs some hundred steps.
"""

import tempfile
import time
from pathlib import Path
from random import Random

from bench.figures import Figure, at_most, table
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.migrate import migrate
from hostaway_pipeline.wiring import services_on
from tests.factories import SANDBOXES, add_account, make_settings, sync
from tests.integration.clock_model import Model, differences

ACCOUNT, STEPS, TRUST, SEED = 1, 10_000, 1.0, 7


def run(steps: int = STEPS, seed: int = SEED) -> list[Figure]:
    config = SandboxConfig(
        accounts=(SandboxAccount(ACCOUNT, 4, 12),), ip_limit=None, account_limit=None, token_delay=0.0
    )
    with (
        tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder,
        EmbeddedPostgres(Path(folder)) as server,
        SandboxServer(config) as sandbox,
    ):
        server.ensure_database("hostaway")
        url = server.url("hostaway")
        database = Database(url)
        migrate(database)
        database.dispose()
        SANDBOXES[sandbox.url] = sandbox
        services = services_on(make_settings(url, sandbox.url, clock_trust=TRUST), url)
        services.secrets.check()
        add_account(services, ACCOUNT)
        sync(services, ACCOUNT)
        with services.client(ACCOUNT) as client:
            writer = services.pull_writer(services.accounts.get(ACCOUNT), dry_run=False)
            model = Model(services, sandbox, ACCOUNT, client, writer, Random(seed))
            for _ in range(steps):
                model.step()
            model.finish()
        before = len(differences(services, url, sandbox, ACCOUNT))
        time.sleep(TRUST + 0.2)
        sync(services, ACCOUNT, mode="reconcile", allow_mass_delete=True)
        after = len(differences(services, url, sandbox, ACCOUNT))
        services.close()
    case = f"{steps:,} random steps, clock ±2 h, then one reconcile: objects that differ"
    return [at_most(case, after, 0, "", f"before it: {before}")]


if __name__ == "__main__":
    print(table(run()))
