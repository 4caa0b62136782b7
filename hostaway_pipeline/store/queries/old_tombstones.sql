-- old_tombstones: deleted objects whose time is over and that were not rewritten since.
SELECT account_id, array_agg(id ORDER BY id)
FROM {table}
WHERE deleted_at < now() - %(age)s AND updated_at < deleted_at + %(age)s
GROUP BY account_id
