-- finance_bases: the stored reservations to which finance lines, asked for at `asked_at`, belong.
--
-- Not those whose content came after the lines were asked for: their lines may be others, and they are asked for again.
-- The rows stay locked until the lines are merged. They are locked in the order of their ids, as by every merge.
-- `proven_at` of the newest complete sweep counts as a read of every row: see merge.sql.
WITH answered AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(asked_at)s::timestamptz[]) AS answered (id, asked_at)
),
sweep AS (
    SELECT proven_at FROM hostaway.sweeps WHERE account_id = %(account_id)s AND entity = 'reservations'
)
SELECT stored.id, stored.raw_payload::text, stored.source_updated_at,
       greatest(stored.read_at, (SELECT proven_at FROM sweep))
FROM hostaway.reservations AS stored JOIN answered ON answered.id = stored.id
WHERE stored.account_id = %(account_id)s AND stored.finance_read_at IS NULL
  AND stored.deleted_at IS NULL AND stored.unsettled_at IS NULL
  AND (stored.read_at > answered.asked_at) IS NOT TRUE
ORDER BY stored.id
FOR UPDATE OF stored
