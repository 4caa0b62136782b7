-- forget_heads: deletes the fingerprints of the newest events of these objects, whatever their kind.
DELETE FROM hostaway.webhook_heads WHERE account_id = %(account_id)s AND object_id = ANY(%(objects)s::bigint[])
