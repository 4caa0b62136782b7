"""Asset checks. Each looks at all active accounts, so that one account's success cannot hide another's failure."""

from collections.abc import Callable, Iterable, Iterator

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    OpExecutionContext,
    multi_asset_check,
)

from hostaway_pipeline.defs.assets import entity_key
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.checks import Checks, Finding

_SHOWN = 20
Question = Callable[[Checks, str], list[Finding]]

CHECKS: dict[str, tuple[str, Question]] = {
    "sweep_complete": (
        "The newest sweep saw as many distinct rows as Hostaway counted, and held no deletions back.",
        lambda health, entity: health.untrusted_sweeps(entity),
    ),
    "count_matches_api": (
        "The table holds as many live rows as Hostaway counted.",
        lambda health, entity: health.count_mismatches(entity),
    ),
    "rows_settled": (
        "No row is in doubt: no time of Hostaway's lies ahead of ours, and no clocks have disagreed for a day.",
        lambda health, entity: health.unsettled_rows(entity),
    ),
}
ACCOUNTS: dict[str, tuple[str, Question]] = {
    "accounts_current": (
        "No account keeps failing, and each one's copy was proven complete within the last 28 hours.",
        lambda health, _: health.stale_accounts(),
    ),
    "webhook_alive": (
        "Where webhooks are wanted: one is registered and enabled, and events came while reservations changed.",
        lambda health, _: health.silent_webhooks(),
    ),
}
ORPHANS: dict[str, tuple[str, Question]] = {
    "no_orphan_messages": (
        "Every live message belongs to a live conversation.",
        lambda health, _: health.orphan_messages(),
    )
}


def questions(entity: str) -> dict[str, tuple[str, Question]]:
    return CHECKS | {"messages": ORPHANS, "reservations": ACCOUNTS}.get(entity, {})


SPECS = [
    AssetCheckSpec(name, asset=entity_key(entity), description=text)
    for entity in ENTITIES
    for name, (text, _) in questions(entity).items()
]


@multi_asset_check(name="hostaway_checks", specs=SPECS, can_subset=True)
def entity_checks(context: AssetCheckExecutionContext, hostaway: HostawayResource) -> Iterator[AssetCheckResult]:
    with hostaway.services() as services:
        for key in sorted(context.selected_asset_check_keys):
            yield check_result(services, key.asset_key.path[-1], key.name)


def log_evaluations(context: OpExecutionContext, services: Services, entities: Iterable[str]) -> None:
    """The checks of these entities, in the run that has just materialized them.

    Dagster shows a check as not evaluated as soon as another run has materialized its asset: so whoever does that
    has to check again.
    """
    for entity in entities:
        for name in questions(entity):
            result = check_result(services, entity, name)
            evaluation = AssetCheckEvaluation(
                asset_key=entity_key(entity),
                check_name=name,
                passed=result.passed,
                severity=result.severity,
                description=result.description,
                metadata=result.metadata,
            )
            # Its annotation leaves out check evaluations, which it takes.
            context.log_event(evaluation)  # type: ignore[arg-type]


def check_result(services: Services, entity: str, name: str) -> AssetCheckResult:
    """Ask one question about one entity of all active accounts."""
    _, ask = questions(entity)[name]
    findings = ask(services.checks, entity)
    lines = [f"account {finding.account_id}: {finding.what}" for finding in findings[:_SHOWN]]
    return AssetCheckResult(
        passed=not findings,
        asset_key=entity_key(entity),
        check_name=name,
        severity=AssetCheckSeverity.ERROR,
        description="; ".join(lines) or None,
        metadata={"accounts_affected": len(findings)},
    )
