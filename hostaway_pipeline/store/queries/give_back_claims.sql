-- give_back_claims: ends the claims of runs that are over, however they ended.
UPDATE hostaway.cadences SET lease_until = NULL, claimed_by = NULL WHERE claimed_by = ANY(%(run_ids)s)
