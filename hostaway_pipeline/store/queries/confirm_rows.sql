-- confirm_rows: records that reads by id found these rows unchanged, so that content requested earlier counts as older.
UPDATE {table} AS stored
SET read_at = confirmed.read_at,
    unsettled_at = CASE WHEN stored.unsettled_at > confirmed.read_at THEN stored.unsettled_at END
FROM unnest(%(ids)s::bigint[], %(read_at)s::timestamptz[]) AS confirmed (id, read_at)
WHERE stored.account_id = %(account_id)s AND stored.id = confirmed.id AND stored.deleted_at IS NULL
  AND (stored.read_at < confirmed.read_at) IS NOT FALSE
