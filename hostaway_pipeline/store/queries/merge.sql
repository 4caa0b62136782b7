-- merge: merges the staged rows of one account into the table of their entity.
--
-- New ids are inserted. A stored row takes the new content when that is newer: the first CASE of the WHERE clause
-- repeats `is_newer` of domain/clocks.py, and the condition after it repeats `would_write` of store/copy/merge.py,
-- because a row may have changed since it was looked up. Change them together. A read that was requested later than the
-- trust span after the stored content is believed, whatever Hostaway's clock says, so that no wrong clock can freeze a
-- row. Within the span, and for events, Hostaway's clock decides, so that a slow read cannot undo a newer webhook;
-- where that clock is equal or missing, the later request wins. A tombstoned row comes back, unless its content was
-- requested before the row was found missing.
--
-- When only volatile keys differ, source_updated_at advances alone: columns and payload are those of the content, and
-- updated_at tells analysts when it changed. A read settles a row in doubt, unless the doubt arose after the read was
-- requested. Rows are written in the order of their ids, so that two merges of the same rows wait for each other instead
-- of deadlocking.
--
-- A complete sweep confirms every row when its pass begins (`proven_at`). That time is stored once per sweep instead of
-- in each row.
WITH sweep AS (
    SELECT proven_at FROM hostaway.sweeps WHERE account_id = %(account_id)s AND entity = %(entity)s
),
merged AS (
    INSERT INTO {table} AS stored (account_id, customer_id, {columns})
    SELECT %(account_id)s, %(customer_id)s, {columns} FROM {stage} ORDER BY id
    ON CONFLICT (account_id, id) DO UPDATE SET
        {assignments},
        raw_payload = CASE WHEN stored.content_hash = excluded.content_hash
                           THEN stored.raw_payload ELSE excluded.raw_payload END,
        updated_at = CASE WHEN stored.content_hash = excluded.content_hash AND stored.deleted_at IS NULL
                               AND NOT ({is_confirmed})
                          THEN stored.updated_at ELSE now() END,
        unsettled_at = CASE WHEN %(is_read)s AND (stored.unsettled_at > excluded.read_at) IS NOT TRUE
                            THEN excluded.unsettled_at
                            ELSE greatest(stored.unsettled_at, excluded.unsettled_at) END,
        deleted_at = NULL
    WHERE CASE
              WHEN stored.deleted_at IS NOT NULL
                   AND (%(is_read)s OR greatest(stored.read_at, (SELECT proven_at FROM sweep)) > excluded.read_at)
                  THEN (greatest(stored.read_at, (SELECT proven_at FROM sweep)) > excluded.read_at) IS NOT TRUE
              WHEN %(is_read)s AND excluded.read_at > greatest(stored.read_at, (SELECT proven_at FROM sweep)) + %(trust)s THEN TRUE
              WHEN stored.source_updated_at < excluded.source_updated_at THEN TRUE
              WHEN stored.source_updated_at > excluded.source_updated_at THEN FALSE
              ELSE (greatest(stored.read_at, (SELECT proven_at FROM sweep)) > excluded.read_at) IS NOT TRUE
          END
      AND (stored.content_hash <> excluded.content_hash
           OR stored.source_updated_at IS DISTINCT FROM excluded.source_updated_at
           OR stored.deleted_at IS NOT NULL
           OR stored.unsettled_at IS NOT NULL
           OR ({is_confirmed}))
    RETURNING id, (xmax = 0) AS is_new, (updated_at = now()) AS is_moved
)
SELECT array_agg(id) FILTER (WHERE is_new), array_agg(id) FILTER (WHERE is_moved AND NOT is_new) FROM merged
