-- claim_account: claims for a run the account that is most urgent, until the lease ends.
--
-- What was requested comes first, in any mode, in the order of the requests; then the accounts that are due in the
-- run's own mode, by lateness as a share of the period. So an overload stretches the periods of all accounts evenly. A
-- paused account waits for its circuit breaker, and one that another run syncs, in whatever mode, for that run. An
-- account without a complete first sync is due in `reconcile` only: any other mode would read everything as well.
--
-- Other modes leave the rate limit to reconciles: while some wait, and a run works on reconciles, nothing is claimed.
--
-- backlog.sql counts as waiting what this claims: change the two conditions together. They stand on the locked row
-- itself, so that Postgres looks at them again after a wait for another claim.
WITH moment AS MATERIALIZED (
    SELECT coalesce(%(now)s::timestamptz, clock_timestamp()) AS now
),
reconciles AS MATERIALIZED (
    SELECT coalesce(bool_or(claimed_by IS NOT NULL AND lease_until > now), FALSE) AS are_claimed,
           coalesce(bool_or((lease_until IS NULL OR lease_until <= now)
                            AND (paused_until IS NULL OR paused_until <= now)), FALSE) AS are_waiting
    FROM moment, hostaway.cadences JOIN hostaway.accounts USING (account_id)
    WHERE mode = 'reconcile' AND next_due_at <= now AND is_active
),
chosen AS (
    SELECT cadence.account_id, cadence.mode
    FROM moment, reconciles, hostaway.cadences AS cadence
    JOIN hostaway.accounts AS account USING (account_id)
    WHERE account.is_active
      AND (account.paused_until IS NULL OR account.paused_until <= now)
      AND (cadence.lease_until IS NULL OR cadence.lease_until <= now)
      AND (cadence.requested_at IS NOT NULL
           OR (cadence.mode = %(mode)s
               AND cadence.next_due_at <= now
               AND (cadence.mode = 'reconcile'
                    OR (account.last_sync_at IS NOT NULL AND NOT (are_waiting AND are_claimed)))))
      AND NOT EXISTS (
          SELECT FROM hostaway.cadences AS other
          WHERE other.account_id = cadence.account_id AND other.mode <> cadence.mode
            AND other.claimed_by IS NOT NULL AND other.lease_until > now
      )
    ORDER BY cadence.requested_at NULLS LAST,
             (now - cadence.next_due_at) / extract(epoch FROM coalesce(cadence.every, %(period)s)) DESC,
             cadence.account_id
    LIMIT 1
    FOR UPDATE OF cadence SKIP LOCKED
)
UPDATE hostaway.cadences AS cadence
SET lease_until = now + %(lease)s, claimed_by = %(run_id)s
FROM moment, chosen
WHERE cadence.account_id = chosen.account_id AND cadence.mode = chosen.mode
RETURNING cadence.account_id, cadence.mode
