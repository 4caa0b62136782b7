-- known_guests: which guests these identifiers stand for, as far as they are known.
SELECT stored.kind, stored.identifier, stored.guest_id
FROM unnest(%(kinds)s::text[], %(identifiers)s::text[]) AS wanted (kind, identifier)
JOIN hostaway.guests AS stored USING (kind, identifier)
WHERE stored.account_id = %(account_id)s
