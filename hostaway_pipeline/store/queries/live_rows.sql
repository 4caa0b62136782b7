-- live_rows: how many rows a table holds, to compare with the number that the server counted during a sweep.
--
-- Webhooks change the table while a list is read. A row that the sweep saw counts even if it was deleted since then;
-- one that the sweep did not see counts unless it was read or received after the sweep began.
SELECT count(*)
FROM {table}
WHERE account_id = %(account_id)s
  AND CASE WHEN id = ANY(%(seen)s::bigint[])
           THEN deleted_at IS NULL OR deleted_at >= %(started_at)s
           ELSE deleted_at IS NULL AND coalesce(read_at, created_at) < %(started_at)s
      END
