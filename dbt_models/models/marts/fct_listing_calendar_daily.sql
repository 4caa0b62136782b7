{{ config(
    keys=['account_id', 'property_id', 'month'], version=['version'], compare_with='int_listing_months',
    limit_by=['account_id', 'property_id', 'month'],
    represented_by='is_first_of_month',
    indexes=[{'columns': ['account_id', 'property_id', 'month']}],
) }}
-- fct_listing_calendar_daily: each day on which a property is listed, with the units that are taken and blocked.
--
-- Listings of one unit have no count of blocked units, only a status. A block takes at most what stays leave.
WITH night AS (
    SELECT
        account_id,
        property_id,
        stay_date,
        sum(units) FILTER (WHERE state = 'sold') AS sold,
        sum(units) FILTER (WHERE state = 'owner') AS owner,
        sum(units) FILTER (WHERE state = 'hold') AS hold
    FROM {{ ref('fct_reservation_nights') }}
    WHERE {{ due('account_id', 'property_id', 'month') }}
    GROUP BY account_id, property_id, stay_date
),
-- Materialized, so that the day is a column: Postgres joins by it only then, and would compare all days with all nights.
listed AS MATERIALIZED (
    SELECT
        m.account_id,
        m.property_id,
        m.month,
        m.first_day + i AS calendar_date,
        i = 0 AS is_first_of_month,
        m.units,
        m.version
    FROM {{ ref('int_listing_months') }} AS m
    CROSS JOIN LATERAL generate_series(0, m.last_day - m.first_day) AS i
    WHERE {{ due('m.account_id', 'm.property_id', 'm.month') }}
),
day AS (
    SELECT
        l.account_id,
        l.property_id,
        l.calendar_date,
        l.month,
        l.is_first_of_month,
        coalesce(nullif(c.total_units, 0), l.units)::integer AS units,
        coalesce(n.sold, 0)::integer AS sold_units,
        coalesce(n.owner, 0)::integer AS owner_units,
        coalesce(n.hold, 0)::integer AS hold_units,
        c.blocked_units,
        c.status,
        c.price,
        c.minimum_stay,
        c.calendar_date IS NOT NULL AS has_calendar,
        l.version
    FROM listed AS l
    LEFT JOIN night AS n
        ON n.account_id = l.account_id AND n.property_id = l.property_id AND n.stay_date = l.calendar_date
    LEFT JOIN {{ ref('stg_hostaway__calendar_days') }} AS c
        ON c.account_id = l.account_id AND c.property_id = l.property_id AND c.calendar_date = l.calendar_date
)
SELECT
    account_id,
    property_id,
    calendar_date,
    month,
    is_first_of_month,
    units,
    sold_units,
    owner_units,
    hold_units,
    CASE WHEN has_calendar THEN
        least(
            coalesce(blocked_units, CASE WHEN status IN ('blocked', 'hardBlock', 'mblocked') THEN units ELSE 0 END),
            greatest(0, units - sold_units - owner_units - hold_units)
        )::integer
    END AS blocked_units,
    price,
    minimum_stay,
    CASE WHEN has_calendar THEN 'calendar' ELSE 'assumed' END AS supply_source,
    version
FROM day
