-- stale_accounts: active accounts that are paused after failures, or were not proven complete for more than a night.
--
-- The error is that of the newest run, whether that failed or not.
SELECT account.account_id, account.last_sync_at, account.failures, newest.error
FROM hostaway.accounts AS account
LEFT JOIN LATERAL (
    SELECT error FROM hostaway.sync_runs AS run WHERE run.account_id = account.account_id ORDER BY run.id DESC LIMIT 1
) AS newest ON TRUE
WHERE account.is_active
  AND (account.paused_until > now()
       OR coalesce(account.last_sync_at, account.created_at) < now() - %(stale_after)s)
ORDER BY account.account_id
