-- stored_versions: what is stored of some objects, as far as it decides whether other content replaces it.
--
-- A complete sweep proved what it saw, and what it did not see, at the moment its pass began: that is kept once per sweep
-- instead of being written to each row.
SELECT id, content_hash, source_updated_at,
       greatest(read_at, (SELECT proven_at FROM hostaway.sweeps
                          WHERE account_id = %(account_id)s AND entity = %(entity)s)),
       deleted_at IS NOT NULL, unsettled_at
FROM {table}
WHERE account_id = %(account_id)s AND id = ANY(%(ids)s)
