-- merge: staged rows of one account meet the stored ones.
--
-- New ids are inserted. A stored row takes the new content unless what is stored is newer by Hostaway's own clock, so
-- that a slow poll cannot undo a newer webhook. That clock ticks in seconds, and not every object has one: of equal
-- times the content that was asked for later wins. When only volatile keys moved, source_updated_at alone advances:
-- updated_at tells analysts when content changed. A row that comes back is no longer deleted, unless it was asked for
-- before it was found missing. Rows are taken in the order of their ids, so that two merges of the same rows wait for
-- each other instead of deadlocking.
WITH merged AS (
    INSERT INTO {table} AS stored (account_id, customer_id, {columns})
    SELECT %(account_id)s, %(customer_id)s, {columns} FROM {stage} ORDER BY id
    ON CONFLICT (account_id, id) DO UPDATE SET
        {assignments},
        raw_payload = CASE WHEN stored.content_hash = excluded.content_hash
                           THEN stored.raw_payload ELSE excluded.raw_payload END,
        updated_at = CASE WHEN stored.content_hash = excluded.content_hash AND stored.deleted_at IS NULL
                          THEN stored.updated_at ELSE now() END,
        deleted_at = NULL
    WHERE CASE
              WHEN stored.deleted_at IS NOT NULL AND stored.read_at > excluded.read_at THEN FALSE
              WHEN stored.source_updated_at < excluded.source_updated_at THEN TRUE
              WHEN stored.source_updated_at > excluded.source_updated_at THEN FALSE
              ELSE (stored.read_at <= excluded.read_at) IS NOT FALSE
          END
      AND (stored.content_hash <> excluded.content_hash
           OR stored.source_updated_at IS DISTINCT FROM excluded.source_updated_at
           OR stored.deleted_at IS NOT NULL)
    RETURNING (xmax = 0) AS is_new, (updated_at = now()) AS is_moved
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE is_moved AND NOT is_new) FROM merged
