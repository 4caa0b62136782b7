-- purge_versions: deletes a batch of superseded states that ended long ago.
--
-- The oldest version that stays keeps its start, so the object has no known state before it.
DELETE FROM {table}
WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE valid_to < now() - %(age)s LIMIT %(batch)s))
