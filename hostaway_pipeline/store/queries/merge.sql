-- merge: staged rows of one account meet the stored ones.
--
-- New ids are inserted. A stored row takes the new content when that is newer: the CASE in WHERE states `is_newer` of
-- domain/clocks.py, because what was looked up before may be out of date by now. A read that was asked for later than the
-- trust span after what is stored is the truth, whatever Hostaway's clock says: no clock can freeze a row. Within the span,
-- and for events, that clock decides, so that a slow poll cannot undo a newer webhook; where it cannot, the later question
-- wins. A row that comes back is no longer deleted, unless it was asked for before it was found missing.
--
-- When only volatile keys moved, source_updated_at alone advances: updated_at tells analysts when content changed. A read
-- settles a row in doubt, unless the doubt arose after it was asked for. Rows are taken in the order of their ids, so that
-- two merges of the same rows wait for each other instead of deadlocking.
--
-- A complete sweep proved what it saw, and what it did not see, at the moment its pass began (`proven_at`): that is kept
-- once per sweep instead of being written to each row.
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
           OR stored.unsettled_at IS NOT NULL)
    RETURNING (xmax = 0) AS is_new, (updated_at = now()) AS is_moved
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE is_moved AND NOT is_new) FROM merged
