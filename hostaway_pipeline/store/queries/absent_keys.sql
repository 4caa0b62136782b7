-- absent_keys: the stored values of keys that the new answers for some objects lack.
--
-- Lists may lack keys that webhooks bring, and an absent key is no change. The rows stay locked until the answers are
-- merged, so that no other transaction changes what is kept. They are locked in the order of their ids, as by every
-- merge.
SELECT id, raw_payload - %(keys)s::text[]
FROM {table}
WHERE account_id = %(account_id)s AND id = ANY(%(ids)s) AND raw_payload - %(keys)s::text[] <> '{{}}'
ORDER BY id
FOR UPDATE
