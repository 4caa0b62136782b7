-- finish_run: records how a sync ended, unless another process has ended the run already.
UPDATE hostaway.sync_runs
SET status = %(status)s, api_calls = %(api_calls)s, http_429 = %(http_429)s, entities = %(entities)s::jsonb,
    error = %(error)s, finished_at = clock_timestamp()
WHERE id = %(run_id)s AND status = 'running'
