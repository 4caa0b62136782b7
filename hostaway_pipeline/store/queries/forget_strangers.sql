-- forget_strangers: deletes identifiers of guests to whom no reservation belongs any more.
DELETE FROM hostaway.guests AS guest
WHERE NOT EXISTS (
    SELECT FROM hostaway.reservations AS reservation
    WHERE reservation.account_id = guest.account_id AND reservation.guest_id = guest.guest_id
)
