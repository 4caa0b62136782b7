-- move_slot: the request will leave later than its account slot said, because the IP's turn comes later.
--
-- The account's permission moves to the moment of sending: what the next window must be counted from.
UPDATE hostaway.rate_scopes AS scope
SET slots = (
    SELECT array_agg(slot ORDER BY slot)
    FROM unnest(array_replace(scope.slots, %(planned)s, %(actual)s)) AS slot
)
WHERE scope.scope = %(scope)s
