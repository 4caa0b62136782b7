-- living_runs: those of some Dagster runs whose process holds its lock. A killed process does not.
SELECT run_id
FROM unnest(%(ids)s::text[]) AS run_id
WHERE EXISTS (
    SELECT
    FROM pg_locks
    WHERE locktype = 'advisory' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid = %(class)s AND objid::bigint = hashtext(run_id)::bigint & 4294967295
)
