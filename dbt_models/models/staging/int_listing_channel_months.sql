{{ config(
    materialized='compared', contract={'enforced': true},
    keys=['account_id', 'property_id', 'month'], version=['version'], compare_with='int_listing_months',
    limit_by=['account_id', 'property_id', 'month'], log_by=[['account_id', 'property_id', 'month'], ['account_id', 'month']],
) }}
-- int_listing_channel_months: the sold nights on listed days, and the stays that
-- begin on one, summed by property, month, channel and currency.
--
-- A month without a sold night has one row without a channel, so that every month is known to be up to date.
SELECT
    m.account_id,
    m.property_id,
    m.month,
    row_number() OVER (PARTITION BY m.account_id, m.property_id, m.month ORDER BY n.channel, n.currency)::integer AS line_no,
    n.channel,
    n.currency,
    coalesce(sum(n.units), 0)::bigint AS sold_nights,
    coalesce(sum(n.units) FILTER (WHERE n.is_priced), 0)::bigint AS priced_nights,
    coalesce(sum(n.rent), 0) AS rent,
    coalesce(sum(n.commission), 0) AS commission,
    count(*) FILTER (WHERE n.night_number = 1) AS stays,
    m.version
FROM {{ ref('int_listing_months') }} AS m
LEFT JOIN {{ ref('fct_reservation_nights') }} AS n
    ON n.account_id = m.account_id AND n.property_id = m.property_id AND n.month = m.month
    AND n.stay_date BETWEEN m.first_day AND m.last_day AND n.state = 'sold'
WHERE {{ due('m.account_id', 'm.property_id', 'm.month') }}
GROUP BY m.account_id, m.property_id, m.month, m.version, n.channel, n.currency
