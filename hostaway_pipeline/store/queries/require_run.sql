-- require_run: the fence of a sync: it may write while its run is the running one of its account.
--
-- A sync holds a session lock, but its connection may die unnoticed. The process that takes the lock next ends this run
-- first. The row lock makes it wait for a write in progress; every later write finds that the run has ended.
SELECT run.status = 'running', account.is_active
FROM hostaway.sync_runs AS run
JOIN hostaway.accounts AS account USING (account_id)
WHERE run.id = %(run_id)s
FOR SHARE OF run
