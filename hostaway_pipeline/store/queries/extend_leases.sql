-- extend_leases: prolongs the claims of a run that is alive.
UPDATE hostaway.cadences SET lease_until = clock_timestamp() + %(lease)s WHERE claimed_by = %(run_id)s
