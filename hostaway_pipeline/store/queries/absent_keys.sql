-- absent_keys: what is stored of some objects under keys that their new answers do not carry.
--
-- Lists may lack keys that webhooks bring. The rows are locked until the answers are merged, so that what is kept is what
-- is stored then, in the order of their ids as every merge takes them.
SELECT id, raw_payload - %(keys)s::text[]
FROM {table}
WHERE account_id = %(account_id)s AND id = ANY(%(ids)s) AND raw_payload - %(keys)s::text[] <> '{{}}'
ORDER BY id
FOR UPDATE
