-- mark_unsettled: marks rows in doubt: other content came later but was discarded as older by Hostaway's clock.
--
-- One of the two clocks is wrong. A read that is requested after `heard_at` settles the row.
UPDATE {table} AS stored
SET unsettled_at = greatest(stored.unsettled_at, discarded.heard_at)
FROM unnest(%(ids)s::bigint[], %(heard_at)s::timestamptz[]) AS discarded (id, heard_at)
WHERE stored.account_id = %(account_id)s AND stored.id = discarded.id
