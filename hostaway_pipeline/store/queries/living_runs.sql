-- living_runs: those of some Dagster runs whose process is alive, which is to say holds the run's lock (locks.py).
--
-- Postgres releases the lock when the process is killed, so no heartbeat is needed.
SELECT run_id
FROM unnest(%(ids)s::text[]) AS run_id
WHERE EXISTS (
    SELECT
    FROM pg_locks
    WHERE locktype = 'advisory' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid = %(class)s AND objid::bigint = hashtext(run_id)::bigint & 4294967295
)
