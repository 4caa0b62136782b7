-- release_account: ends this run's claim of an account; `again_in` keeps everybody from it for a while.
UPDATE hostaway.cadences
SET lease_until = coalesce(%(now)s::timestamptz, clock_timestamp()) + %(again_in)s, claimed_by = NULL
WHERE account_id = %(account_id)s AND mode = %(mode)s AND claimed_by = %(run_id)s
