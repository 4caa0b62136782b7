-- record_findings: adds to the counts of rows whose payload had a key that is unknown or could not be read.
--
-- In the order of their key, so that two merges wait for each other instead of deadlocking.
INSERT INTO hostaway.payload_findings AS stored (account_id, entity, key, finding, rows)
SELECT %(account_id)s, %(entity)s, key, finding, rows
FROM unnest(%(keys)s::text[], %(findings)s::text[], %(rows)s::bigint[]) AS found (key, finding, rows)
ORDER BY key, finding
ON CONFLICT (account_id, entity, key, finding) DO UPDATE
    SET rows = stored.rows + excluded.rows, last_seen_at = excluded.last_seen_at
