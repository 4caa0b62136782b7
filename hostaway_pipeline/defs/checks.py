"""Asset checks. Each covers all active accounts, so that one account's success cannot hide another's failure."""

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

from hostaway_pipeline.defs.keys import BULK_POOL, entity_key
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.checks import Checks, Finding

# Findings that a check's description lists.
_SHOWN = 20
Query = Callable[[Checks, str], list[Finding]]

# By name: what must hold, and the query for the accounts where it does not.
CHECKS: dict[str, tuple[str, Query]] = {
    "sweep_complete": (
        "The latest sweep read as many distinct rows as Hostaway counted, and held back no deletion.",
        lambda checks, entity: checks.untrusted_sweeps(entity),
    ),
    "count_matches_api": (
        "The table has as many live rows as Hostaway counted.",
        lambda checks, entity: checks.count_mismatches(entity),
    ),
    "rows_settled": (
        "No row is in doubt: no Hostaway timestamp is in the future, and no conflict of clocks is older than a day.",
        lambda checks, entity: checks.unsettled_rows(entity),
    ),
}
ACCOUNTS: dict[str, tuple[str, Query]] = {
    "accounts_current": (
        "No account fails repeatedly, and the copy of each was proven complete within the last 28 hours.",
        lambda checks, _: checks.stale_accounts(),
    ),
    "refresh_current": (
        "Every account was refreshed within HOSTAWAY_REFRESH_STALE_AFTER; if not, the rate limit allows no more.",
        lambda checks, _: checks.stale_refreshes(),
    ),
    "webhook_alive": (
        "If webhooks are wanted: one is registered and enabled, and events arrive when reservations change.",
        lambda checks, _: checks.silent_webhooks(),
    ),
    "trails_agree": (
        "Of a sample of reservations that moved, what we saw was so by Hostaway's audit trails.",
        lambda checks, _: checks.trail_differences(),
    ),
    "one_name_per_ip": (
        "No two egress names (HOSTAWAY_EGRESS) stand for one outgoing IP address, as their 429s would show.",
        lambda checks, _: checks.shared_addresses(),
    ),
}
ORPHANS: dict[str, tuple[str, Query]] = {
    "no_orphan_messages": (
        "After the newest sync of each account, every live message belongs to a live conversation.",
        lambda checks, _: checks.orphan_messages(),
    )
}


def checks_of(entity: str) -> dict[str, tuple[str, Query]]:
    return CHECKS | {"messages": ORPHANS, "reservations": ACCOUNTS}.get(entity, {})


SPECS = [
    AssetCheckSpec(name, asset=entity_key(entity), description=text)
    for entity in ENTITIES
    for name, (text, _) in checks_of(entity).items()
]


@multi_asset_check(name="hostaway_checks", specs=SPECS, can_subset=True, pool=BULK_POOL)
def entity_checks(context: AssetCheckExecutionContext, hostaway: HostawayResource) -> Iterator[AssetCheckResult]:
    with hostaway.services() as services:
        for key in sorted(context.selected_asset_check_keys):
            yield check_result(services, key.asset_key.path[-1], key.name)


def log_evaluations(context: OpExecutionContext, services: Services, entities: Iterable[str]) -> None:
    """Evaluate the checks of these entities in the run that has just materialized them.

    Dagster shows a check as not evaluated once another run has materialized its asset, so each run that does has to
    evaluate it again.
    """
    for entity in entities:
        for name in checks_of(entity):
            result = check_result(services, entity, name)
            evaluation = AssetCheckEvaluation(
                asset_key=entity_key(entity),
                check_name=name,
                passed=result.passed,
                severity=result.severity,
                description=result.description,
                metadata=result.metadata,
            )
            # log_event accepts check evaluations, although its annotation omits them.
            context.log_event(evaluation)  # type: ignore[arg-type]


def check_result(services: Services, entity: str, name: str) -> AssetCheckResult:
    """Run one check of one entity over all active accounts."""
    _, query = checks_of(entity)[name]
    findings = query(services.checks, entity)
    affected = [finding.account_id for finding in findings if finding.account_id is not None]
    names = services.accounts.names(affected[:_SHOWN])
    lines = [finding.text(names) for finding in findings[:_SHOWN]]
    return AssetCheckResult(
        passed=not findings,
        asset_key=entity_key(entity),
        check_name=name,
        severity=AssetCheckSeverity.ERROR,
        description="; ".join(lines) or None,
        metadata={"accounts_affected": len(affected)},
    )
