-- erase_pii_guest_identity: deletes who these reservations' guests are, before the reservations forget them.
--
-- The next build brings back a guest of whom other reservations still tell.
DELETE FROM pii.guest_identity
WHERE account_id = %(account_id)s
  AND guest_id IN (
      SELECT guest_id FROM hostaway.reservations WHERE account_id = %(account_id)s AND id = ANY(%(ids)s)
  )
