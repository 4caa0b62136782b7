-- add_guests: adds identifiers of guests; returns those that nobody else had added.
--
-- They are added in the order of their key, so that two merges wait for each other instead of deadlocking. An
-- identifier that another merge has just added waits for its commit and is then left alone: the caller looks it up.
INSERT INTO hostaway.guests (account_id, kind, identifier, guest_id)
SELECT %(account_id)s, kind, identifier, guest_id
FROM unnest(%(kinds)s::text[], %(identifiers)s::text[], %(guest_ids)s::uuid[]) AS new (kind, identifier, guest_id)
ORDER BY kind, identifier
ON CONFLICT (account_id, kind, identifier) DO NOTHING
RETURNING kind, identifier
