-- purge_sync_runs: deletes a batch of old sync runs, except the newest of each account and mode.
DELETE FROM hostaway.sync_runs
WHERE id IN (
    SELECT run.id
    FROM hostaway.sync_runs AS run
    WHERE run.started_at < now() - %(age)s
      AND EXISTS (
          SELECT
          FROM hostaway.sync_runs AS newer
          WHERE newer.account_id = run.account_id AND newer.mode = run.mode AND newer.id > run.id
      )
    ORDER BY run.started_at
    LIMIT %(batch)s
)
