-- trails_to_read: reservations whose audit trail is still to be read, the latest stays first, and how many there are.
--
-- One that we stored within the hour in which it was made needs none: we know it from its start. One that could not be
-- read waits for a day.
SELECT reservation.id, count(*) OVER ()
FROM hostaway.reservations AS reservation
WHERE reservation.account_id = %(account_id)s AND reservation.deleted_at IS NULL
  AND (reservation.inserted_at >= reservation.created_at - interval '1 hour') IS NOT TRUE
  AND NOT EXISTS (
      SELECT FROM hostaway.reservation_trails AS trail
      WHERE trail.account_id = reservation.account_id AND trail.reservation_id = reservation.id
        AND (trail.outcome <> 'failed' OR trail.read_at > now() - interval '1 day')
  )
ORDER BY reservation.arrival_date DESC NULLS LAST, reservation.id DESC
LIMIT %(most)s
