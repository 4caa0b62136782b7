-- suppress_guests: adds identities of erased guests, in the order of their keys; those that are there already stay.
--
-- Entries of accounts that do not exist are left out: they may come from a file that is older than the database.
INSERT INTO hostaway.suppressed_guests (account_id, kind, key_id, hash)
SELECT account_id, kind, key_id, hash
FROM unnest(%(account_ids)s::bigint[], %(kinds)s::text[], %(key_ids)s::text[], %(hashes)s::bytea[])
     AS entry (account_id, kind, key_id, hash)
JOIN hostaway.accounts USING (account_id)
ORDER BY account_id, hash
ON CONFLICT (account_id, hash) DO NOTHING
RETURNING account_id
