-- live_rows: how many rows a table holds, to be compared with what the server counted during a sweep.
--
-- Webhooks go on while a list is read. A row that the sweep saw counts even if it was deleted since; one that it did
-- not see counts unless it was read or received since the sweep began.
SELECT count(*)
FROM {table}
WHERE account_id = %(account_id)s
  AND CASE WHEN id = ANY(%(seen)s::bigint[])
           THEN deleted_at IS NULL OR deleted_at >= %(started_at)s
           ELSE deleted_at IS NULL AND coalesce(read_at, created_at) < %(started_at)s
      END
