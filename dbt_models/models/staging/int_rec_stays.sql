-- int_rec_stays: sold stays that begin or end in a month that is reconciled, with the parts of their price.
SELECT
    s.account_id,
    s.booking_id,
    s.property_id,
    s.channel = 'ical' AS is_ical,
    s.currency,
    date_trunc('month', s.arrival_date::timestamp)::date AS check_in,
    date_trunc('month', s.departure_date::timestamp)::date AS check_out,
    round(s.rent, s.minor_units) AS rent,
    coalesce(b.total_price, 0) AS total_price,
    coalesce(b.fees, 0) AS fees,
    coalesce(b.tax, 0) AS tax
FROM {{ ref('int_stays') }} AS s
JOIN {{ ref('booking') }} AS b ON b.account_id = s.account_id AND b.booking_id = s.booking_id
WHERE s.state = 'sold' AND s.property_id IS NOT NULL
    AND ({{ is_reconciled('s.arrival_date') }} OR {{ is_reconciled('s.departure_date') }})
