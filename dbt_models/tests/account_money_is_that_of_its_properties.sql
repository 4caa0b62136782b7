{{ config(tags='nightly', meta={'dagster': {'ref': {'name': 'kpi_account_month_money'}}}) }}
-- What an account earned is what its properties, and what its channels, earned.
WITH part AS (
    SELECT account_id, month, currency, rent, 0 AS of_listings, 0 AS of_channels FROM {{ ref('kpi_account_month_money') }}
    UNION ALL
    SELECT account_id, month, currency, 0, rent, 0 FROM {{ ref('kpi_listing_month_money') }}
    UNION ALL
    SELECT account_id, month, currency, 0, 0, rent FROM {{ ref('kpi_channel_month') }}
)
SELECT account_id, month, currency
FROM part
GROUP BY account_id, month, currency
HAVING sum(rent) <> sum(of_listings) OR sum(rent) <> sum(of_channels)
