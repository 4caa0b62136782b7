-- extend_leases: prolongs the claims of a run that is alive.
UPDATE hostaway.cadences
SET lease_until = coalesce(%(now)s::timestamptz, clock_timestamp()) + %(lease)s
WHERE claimed_by = %(run_id)s
