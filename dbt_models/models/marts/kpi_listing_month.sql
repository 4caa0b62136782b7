{{ config(
    version=['version'], compare_with='int_listing_months', limit_by=['account_id', 'property_id', 'month'],
) }}
-- kpi_listing_month: how full each property was in each month. Sums of unit-nights, ratios of sums.
WITH summed AS (
    SELECT
        m.account_id,
        m.property_id,
        m.month,
        sum(d.units)::bigint AS listed_nights,
        sum(d.sold_units)::bigint AS sold_nights,
        sum(d.owner_units)::bigint AS owner_nights,
        sum(d.hold_units)::bigint AS hold_nights,
        CASE WHEN bool_and(d.supply_source = 'calendar') THEN sum(d.blocked_units)::bigint END AS blocked_nights,
        m.version
    FROM {{ ref('int_listing_months') }} AS m
    JOIN {{ ref('fct_listing_calendar_daily') }} AS d
        ON d.account_id = m.account_id AND d.property_id = m.property_id AND d.month = m.month
    WHERE {{ due('m.account_id', 'm.property_id', 'm.month') }}
    GROUP BY m.account_id, m.property_id, m.month, m.version
)
SELECT
    account_id,
    property_id,
    month,
    listed_nights,
    {{ occupancies() }},
    version
FROM summed
