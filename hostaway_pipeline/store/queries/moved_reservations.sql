-- moved_reservations: a few reservations whose change was seen in the last week, at random, with what they are now.
SELECT reservation.id, reservation.source_updated_at,
       reservation.listing_id, reservation.channel_id, reservation.channel_name, reservation.status,
       reservation.arrival_date, reservation.departure_date, reservation.unit_count, reservation.is_dates_unspecified,
       reservation.number_of_guests, reservation.currency, reservation.total_price, reservation.tax_amount,
       reservation.cleaning_fee, reservation.channel_commission, reservation.reserved_at, reservation.inserted_at,
       reservation.cancelled_on
FROM hostaway.reservations AS reservation
WHERE reservation.account_id = %(account_id)s AND reservation.deleted_at IS NULL
  AND reservation.id IN (
      SELECT version.reservation_id FROM hostaway.reservation_versions AS version
      WHERE version.account_id = %(account_id)s AND version.source = 'copy'
        AND version.seen_at > now() - interval '7 days'
  )
ORDER BY random()
LIMIT %(most)s
