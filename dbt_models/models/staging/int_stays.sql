-- int_stays: bookings that take nights, with the currency that their amounts are in and its minor units.
--
-- A booking without a currency is in that of its property. Rounding needs the minor units: yen have none, dinars three.
SELECT
    b.account_id,
    b.booking_id,
    b.property_id,
    b.channel,
    b.state,
    b.arrival_date,
    b.departure_date,
    b.nights,
    b.units,
    coalesce(b.currency, p.currency, 'XXX') AS currency,
    coalesce(c.minor_units, 2) AS minor_units,
    b.rent,
    b.commission,
    b.booked_on,
    b.lead_days,
    b.changed_at
FROM {{ ref('booking') }} AS b
LEFT JOIN {{ ref('property') }} AS p ON p.account_id = b.account_id AND p.property_id = b.property_id
LEFT JOIN {{ ref('currencies') }} AS c ON c.currency = coalesce(b.currency, p.currency, 'XXX')
WHERE {{ takes_nights('b') }}
