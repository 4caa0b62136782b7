{{ config(
    version=['changed_at', 'booked_on', 'currency'],
    limit_by=['account_id', 'booking_id'], log_by=[['account_id', 'month']],
) }}
-- fct_cancellations: cancelled bookings, with the money that the host keeps: what is left of the total price.
SELECT
    b.account_id,
    b.booking_id,
    b.property_id,
    b.channel,
    b.booked_on,
    date_trunc('month', b.booked_on::timestamp)::date AS month,
    b.cancelled_on,
    b.arrival_date,
    b.nights,
    b.is_dates_unspecified,
    coalesce(b.currency, p.currency, 'XXX') AS currency,
    greatest(coalesce(b.total_price, 0), 0) AS kept_amount,
    b.changed_at
FROM {{ ref('booking') }} AS b
LEFT JOIN {{ ref('property') }} AS p ON p.account_id = b.account_id AND p.property_id = b.property_id
WHERE b.state = 'cancelled'
