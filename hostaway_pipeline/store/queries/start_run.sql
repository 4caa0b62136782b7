-- start_run: records the start of a sync, under the account's lock: runs that are still marked as running have died.
--
-- The baseline is that of the newest run of the mode that was to read messages, if it ended early less than a day ago:
-- what it has read since then is not read again. This statement does not see yet that it ends the dead ones.
WITH dead AS (
    UPDATE hostaway.sync_runs
    SET status = 'interrupted', finished_at = now(), error = 'the process ended before the sync did'
    WHERE account_id = %(account_id)s AND status = 'running'
),
newest AS (
    SELECT status, baseline_at
    FROM hostaway.sync_runs
    WHERE account_id = %(account_id)s AND mode = %(mode)s AND entities ? 'messages'
    ORDER BY id DESC
    LIMIT 1
)
INSERT INTO hostaway.sync_runs (account_id, mode, source, dagster_run_id, status, baseline_at, entities)
SELECT %(account_id)s, %(mode)s, %(source)s, %(dagster_run_id)s, 'running',
       coalesce(
           (SELECT baseline_at FROM newest
            WHERE status IN ('running', 'interrupted', 'failed') AND baseline_at > now() - interval '1 day'),
           now()
       ),
       %(entities)s::jsonb
RETURNING id, started_at, baseline_at
