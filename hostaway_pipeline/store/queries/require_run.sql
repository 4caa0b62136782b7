-- require_run: the fence of a sync: it may write while its run is the account's running one.
--
-- A sync holds a session lock, and a connection may die unnoticed. Whoever takes the lock after it ends its run first; the
-- row lock here makes that wait for what is being written, and what comes later finds the run ended.
SELECT run.status = 'running', account.is_active
FROM hostaway.sync_runs AS run
JOIN hostaway.accounts AS account USING (account_id)
WHERE run.id = %(run_id)s
FOR SHARE OF run
