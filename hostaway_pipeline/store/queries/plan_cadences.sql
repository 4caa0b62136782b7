-- plan_cadences: sets the next due times of accounts, without touching their requests and leases.
INSERT INTO hostaway.cadences AS cadence (account_id, mode, next_due_at)
SELECT * FROM unnest(%(account_ids)s::bigint[], %(modes)s::text[], %(due)s::timestamptz[])
ON CONFLICT (account_id, mode) DO UPDATE SET next_due_at = excluded.next_due_at
