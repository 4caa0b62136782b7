-- forget_guests: deletes identifiers of guests.
DELETE FROM hostaway.guests AS guest
USING unnest(%(kinds)s::text[], %(identifiers)s::text[]) AS forgotten (kind, identifier)
WHERE guest.account_id = %(account_id)s AND (guest.kind, guest.identifier) = (forgotten.kind, forgotten.identifier)
