-- stale_refreshes: active accounts whose newest refresh began too long ago, the oldest first.
--
-- An account with a longer period of its own has two of its periods. Paused accounts and those without a complete first
-- sync are other checks' findings.
SELECT cadence.account_id, cadence.succeeded_at
FROM hostaway.cadences AS cadence
JOIN hostaway.accounts AS account USING (account_id)
WHERE cadence.mode = 'refresh'
  AND account.is_active
  AND account.last_sync_at IS NOT NULL
  AND (account.paused_until IS NULL OR account.paused_until <= now())
  AND cadence.succeeded_at < now() - greatest(%(stale_after)s, 2 * cadence.every)
ORDER BY cadence.succeeded_at
