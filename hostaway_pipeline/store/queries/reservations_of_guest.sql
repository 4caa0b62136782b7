-- reservations_of_guest: the reservations with this id or address, in one account or in all; with their identifiers.
SELECT account_id, id, channel_id, guest_external_id, guest_email, guest_phone
FROM hostaway.reservations
WHERE (account_id = %(account_id)s OR %(account_id)s::bigint IS NULL)
  AND (id = %(reservation_id)s OR lower(trim(guest_email)) = %(email)s)
ORDER BY account_id, id
