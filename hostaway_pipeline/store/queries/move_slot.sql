-- move_slot: moves an account's slot to the time when its request is sent, because the IP's slot comes later.
--
-- The account's next window must be counted from the actual time.
UPDATE hostaway.rate_scopes AS scope
SET slots = (
    SELECT array_agg(slot ORDER BY slot)
    FROM unnest(array_replace(scope.slots, %(planned)s, %(actual)s)) AS slot
)
WHERE scope.scope = %(scope)s
