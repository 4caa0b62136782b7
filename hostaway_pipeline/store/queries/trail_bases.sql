-- trail_bases: the oldest state that we know of each reservation, from which its trail is undone.
--
-- It is the oldest version that we have seen, or else the present row. `first_version` is null then, and `known_at` is
-- Hostaway's time of the state. Of a version, only the time is known at which we first stored the reservation, and some
-- minutes may lie between our clock and Hostaway's. A trail that another process has read is left out.
SELECT reservation.id,
       state.first_version,
       CASE WHEN state.first_version IS NULL THEN reservation.source_updated_at
            ELSE reservation.created_at - interval '10 minutes' END AS known_at,
       CASE WHEN state.first_version IS NULL THEN reservation.source_updated_at + interval '1 minute'
            ELSE state.valid_to - interval '1 microsecond' END AS until,
       coalesce(state.finance_lines, CASE WHEN reservation.finance_read_at IS NOT NULL THEN (
           SELECT coalesce(jsonb_agg(jsonb_build_object(
               'name', line.name, 'type', line.type, 'total', line.total,
               'is_included', line.is_included, 'is_deleted', line.is_deleted
           ) ORDER BY line.line_no), '[]')
           FROM hostaway.reservation_finance_lines AS line
           WHERE line.account_id = reservation.account_id AND line.reservation_id = reservation.id
       ) END) AS finance_lines,
       state.listing_id, state.channel_id, state.channel_name, state.status, state.arrival_date,
       state.departure_date, state.unit_count, state.is_dates_unspecified, state.number_of_guests, state.currency,
       state.total_price, state.tax_amount, state.cleaning_fee, state.channel_commission, state.reserved_at,
       state.inserted_at, state.cancelled_on
FROM hostaway.reservations AS reservation,
LATERAL (
    SELECT version.version_id AS first_version, version.valid_to,
           version.listing_id, version.channel_id, version.channel_name, version.status, version.arrival_date,
           version.departure_date, version.unit_count, version.is_dates_unspecified, version.number_of_guests,
           version.currency, version.total_price, version.tax_amount, version.cleaning_fee,
           version.channel_commission, version.reserved_at, version.inserted_at, version.cancelled_on,
           (SELECT later.finance_lines FROM hostaway.reservation_versions AS later
            WHERE later.account_id = version.account_id AND later.reservation_id = version.reservation_id
              AND later.source = 'copy' AND later.finance_lines IS NOT NULL
            ORDER BY later.version_id LIMIT 1) AS finance_lines
    FROM hostaway.reservation_versions AS version
    WHERE version.account_id = reservation.account_id AND version.reservation_id = reservation.id
      AND version.source = 'copy'
    UNION ALL
    SELECT NULL, NULL,
           reservation.listing_id, reservation.channel_id, reservation.channel_name, reservation.status,
           reservation.arrival_date, reservation.departure_date, reservation.unit_count,
           reservation.is_dates_unspecified, reservation.number_of_guests, reservation.currency,
           reservation.total_price, reservation.tax_amount, reservation.cleaning_fee,
           reservation.channel_commission, reservation.reserved_at, reservation.inserted_at,
           reservation.cancelled_on, NULL
    ORDER BY first_version NULLS LAST
    LIMIT 1
) AS state
WHERE reservation.account_id = %(account_id)s AND reservation.id = ANY(%(ids)s)
  AND NOT EXISTS (
      SELECT FROM hostaway.reservation_trails AS trail
      WHERE trail.account_id = reservation.account_id AND trail.reservation_id = reservation.id
        AND trail.outcome <> 'failed'
  )
