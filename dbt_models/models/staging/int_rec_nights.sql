-- int_rec_nights: sold and owner nights of the months that are reconciled, with the mark whether our KPIs count them.
SELECT
    n.account_id,
    n.booking_id,
    n.property_id,
    n.month,
    n.stay_date,
    n.state,
    n.channel,
    n.units,
    n.currency,
    n.rent,
    coalesce(n.stay_date BETWEEN m.first_day AND m.last_day, false) AS is_listed
FROM {{ ref('fct_reservation_nights') }} AS n
LEFT JOIN {{ ref('int_listing_months') }} AS m
    ON m.account_id = n.account_id AND m.property_id = n.property_id AND m.month = n.month
WHERE n.state IN ('sold', 'owner') AND n.property_id IS NOT NULL AND {{ is_reconciled('n.month') }}
