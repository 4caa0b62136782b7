{{ config(tags='nightly', meta={'dagster': {'ref': {'name': 'fct_reservation_nights'}}}) }}
-- The shares of a booking's nights add up to its rent, in whole minor units.
SELECT n.account_id, n.booking_id
FROM {{ ref('fct_reservation_nights') }} AS n
JOIN {{ ref('int_stays') }} AS s ON s.account_id = n.account_id AND s.booking_id = n.booking_id
GROUP BY n.account_id, n.booking_id, s.rent, s.minor_units, s.nights
HAVING sum(n.rent) IS DISTINCT FROM round(s.rent, s.minor_units) OR count(*) <> s.nights
