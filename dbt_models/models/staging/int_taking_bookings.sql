-- int_taking_bookings: the bookings that take nights of a property, whatever is made of their nights.
SELECT
    account_id,
    booking_id,
    property_id,
    channel,
    state,
    arrival_date,
    departure_date,
    nights,
    units,
    currency,
    rent,
    commission,
    lead_days,
    changed_at
FROM {{ ref('booking') }} AS b
WHERE {{ takes_nights('b') }}
