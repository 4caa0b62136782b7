-- identifiers_of_reservations: what all reservations of an account tell of their guests.
SELECT id, channel_id, guest_external_id, guest_email, guest_phone
FROM hostaway.reservations
WHERE account_id = %(account_id)s
