{{ config(
    keys=['account_id', 'booking_id'], version=['changed_at', 'currency'], compare_with='int_stays',
    limit_by=['account_id', 'booking_id'],
    represented_by='night_number = 1',
    indexes=[{'columns': ['account_id', 'property_id', 'month']}],
) }}
-- fct_reservation_nights: every night that a booking takes, with its share of the rent and of the commission.
--
-- The share of night i of n is the rent of i nights less that of i - 1, each rounded to the currency's minor units: the
-- shares add up to the rent, and none differs from another by more than one minor unit.
SELECT
    s.account_id,
    s.booking_id,
    s.arrival_date + i AS stay_date,
    date_trunc('month', (s.arrival_date + i)::timestamp)::date AS month,
    i + 1 AS night_number,
    s.property_id,
    s.channel,
    s.state,
    s.units,
    s.currency,
    round(s.rent * (i + 1) / s.nights, s.minor_units) - round(s.rent * i / s.nights, s.minor_units) AS rent,
    round(s.commission * (i + 1) / s.nights, s.minor_units) - round(s.commission * i / s.nights, s.minor_units)
        AS commission,
    coalesce(s.rent > 0, false) AS is_priced,
    s.changed_at
FROM {{ ref('int_stays') }} AS s
CROSS JOIN LATERAL generate_series(0, s.nights - 1) AS i
