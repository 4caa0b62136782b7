-- backlog: per mode, how many accounts wait, how late the latest is, and how long the periods are at present.
--
-- `waiting` counts what claim_account.sql would claim: the two conditions must stay the same. Late is what its period,
-- or the wait after a failure, has left behind. A paused account waits for its circuit breaker, and is in no count.
WITH moment AS MATERIALIZED (
    SELECT coalesce(%(now)s::timestamptz, clock_timestamp()) AS now
)
SELECT cadence.mode,
       count(*) AS accounts,
       count(*) FILTER (WHERE waits AND cadence.requested_at IS NULL) AS due,
       count(*) FILTER (WHERE waits AND cadence.requested_at IS NOT NULL) AS requested,
       count(*) FILTER (WHERE cadence.claimed_by IS NOT NULL AND cadence.lease_until > moment.now) AS claimed,
       max(moment.now - cadence.next_due_at) FILTER (WHERE waits) AS latest,
       avg(cadence.last_interval) AS mean_interval,
       max(moment.now - cadence.succeeded_at) AS oldest,
       max(moment.now - cadence.requested_at) FILTER (WHERE waits) AS request_age
FROM moment, hostaway.cadences AS cadence
JOIN hostaway.accounts AS account USING (account_id),
LATERAL (
    SELECT (account.paused_until IS NULL OR account.paused_until <= moment.now)
       AND (cadence.lease_until IS NULL OR cadence.lease_until <= moment.now)
       AND (cadence.requested_at IS NOT NULL
            OR (cadence.next_due_at <= moment.now
                AND (account.last_sync_at IS NOT NULL OR cadence.mode = 'reconcile'))) AS waits
) AS state
WHERE account.is_active
GROUP BY cadence.mode
