{{ config(
    materialized='compared', contract={'enforced': true},
    limit_by=['account_id', 'property_id'], log_by=[['account_id', 'property_id', 'month']],
) }}
-- int_listing_months: the listed days of each property and month, with a version that moves with all that its KPIs
-- depend on: the stays and the calendar of these days, and the property itself.
--
-- All KPIs of listings compare this small table with what they hold, so that a changed booking costs its own months.
-- The present and coming months count whole: to 18 months ahead, or to the last night taken, but not for a stay that a
-- wrong year puts centuries ahead. The months come in order, so that their days enter indexes in order too.
WITH hashed AS (
    SELECT
        account_id,
        property_id,
        date_trunc('month', arrival_date::timestamp)::date AS first_month,
        date_trunc('month', (departure_date - 1)::timestamp)::date AS last_month,
        hash_record_extended(ROW(booking_id, changed_at), 0) AS version
    FROM {{ ref('int_taking_bookings') }}
    WHERE {{ moved('account_id', 'property_id') }}
),
-- Most stays lie in one month, and a series for each of them would cost more than all the rest.
stay AS (
    SELECT account_id, property_id, month, bit_xor(version) AS version
    FROM (
        SELECT account_id, property_id, first_month AS month, version FROM hashed
        UNION ALL
        SELECT h.account_id, h.property_id, m::date, h.version
        -- At most 37 months: Postgres would plan for a thousand.
        FROM hashed AS h, LATERAL (
            SELECT m FROM generate_series(h.first_month + interval '1 month', h.last_month, interval '1 month') AS m LIMIT 40
        ) AS later
        WHERE h.last_month > h.first_month
    ) AS in_month
    GROUP BY account_id, property_id, month
),
taken AS (
    SELECT account_id, property_id, max(month) AS last_month FROM stay GROUP BY account_id, property_id
),
listed AS (
    SELECT
        p.account_id,
        p.property_id,
        p.units,
        p.currency,
        p.time_zone,
        p.listed_from,
        coalesce(
            p.listed_to,
            (date_trunc('month', least(
                greatest((now() AT TIME ZONE 'UTC')::date + interval '18 months', t.last_month),
                (now() AT TIME ZONE 'UTC')::date + interval '10 years'
            )) + interval '1 month - 1 day')::date
        ) AS listed_to
    FROM {{ ref('property') }} AS p
    LEFT JOIN taken AS t ON t.account_id = p.account_id AND t.property_id = p.property_id
    WHERE p.listed_from IS NOT NULL AND {{ moved('p.account_id', 'p.property_id') }}
),
month AS (
    SELECT
        l.*,
        m.month::date AS month,
        greatest(l.listed_from, m.month::date) AS first_day,
        least(l.listed_to, (m.month + interval '1 month - 1 day')::date) AS last_day
    FROM listed AS l
    CROSS JOIN LATERAL generate_series(
        date_trunc('month', l.listed_from::timestamp), l.listed_to::timestamp, interval '1 month'
    ) AS m (month)
)
SELECT
    m.account_id,
    m.property_id,
    m.month,
    m.first_day,
    m.last_day,
    m.units,
    m.currency,
    hash_record_extended(
        ROW(m.property_id, m.first_day, m.last_day, m.units, m.currency, m.time_zone, s.version, c.version), 0
    ) AS version
FROM month AS m
LEFT JOIN stay AS s ON s.account_id = m.account_id AND s.property_id = m.property_id AND s.month = m.month
LEFT JOIN {{ ref('int_calendar_months') }} AS c
    ON c.account_id = m.account_id AND c.property_id = m.property_id AND c.month = m.month
ORDER BY m.account_id, m.property_id, m.month
