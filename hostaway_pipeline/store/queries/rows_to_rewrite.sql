-- rows_to_rewrite: the payloads of some rows, which stay locked: a merge that comes now waits and sees them rewritten.
SELECT id, raw_payload::text
FROM {table}
WHERE account_id = %(account_id)s AND id = ANY(%(ids)s)
ORDER BY id
FOR UPDATE
