-- stored_versions: what is stored of some objects, as far as it decides whether other content replaces it.
--
-- `proven_at` of the newest complete sweep counts as a read of every row: see merge.sql.
SELECT id, content_hash, source_updated_at,
       greatest(read_at, (SELECT proven_at FROM hostaway.sweeps
                          WHERE account_id = %(account_id)s AND entity = %(entity)s)),
       deleted_at IS NOT NULL, unsettled_at, {is_finance_unknown}
FROM {table}
WHERE account_id = %(account_id)s AND id = ANY(%(ids)s)
