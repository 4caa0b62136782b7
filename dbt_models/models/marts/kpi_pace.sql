{{ config(
    keys=['account_id', 'property_id', 'month'], version=['version'], compare_with='int_pace_months',
    limit_by=['account_id', 'property_id', 'month'],
    represented_by='is_first_of_month',
) }}
-- kpi_pace: what was on the books for a month at the end of each day: sold unit-nights and their rent.
--
-- A booking adds its nights on the day on which it is made and takes them away on the day on which it is cancelled or
-- changed; the figures are running sums of these. Days on which none of them changes have no row: a day has the figures
-- of the row before it. What is among the last 7 or 30 days leaves them later, and last year's changes come a year
-- later, so these days have rows, too. 29 February has no twin in
-- the year before.
WITH share AS (
    {%- set of_property = due_for(['account_id', 'property_id'], 'v.account_id', 'v.property_id') %}
    {{ pace_shares(of_property ~ ' AND ('
            ~ due('v.account_id', 'v.property_id', "date_trunc('month', v.arrival_date::timestamp)::date") ~ ' OR '
            ~ due('v.account_id', 'v.property_id', "(date_trunc('month', v.arrival_date::timestamp) + interval '1 year')::date") ~ ')',
        spanning=of_property,
        later='(' ~ due('account_id', 'property_id', 'month') ~ ' OR '
            ~ due('account_id', 'property_id', "(month + interval '1 year')::date") ~ ')'
    ) }}
),
change AS MATERIALIZED (
    SELECT
        account_id,
        property_id,
        month,
        currency,
        day,
        sum(nights)::integer AS nights,
        sum(rent) AS rent
    FROM (
        SELECT account_id, property_id, month, currency, from_day AS day, nights, rent FROM share
        UNION ALL
        SELECT account_id, property_id, month, currency, to_day, -nights, -rent FROM share WHERE to_day IS NOT NULL
    ) AS event
    GROUP BY account_id, property_id, month, currency, day
),
leap AS ({{ leap_days() }}),
-- What each change does to the figures, and when: narrow rows, since there are five for each change.
step AS (
    {%- set own = due('account_id', 'property_id', 'month') %}
    {%- set next_year = due('account_id', 'property_id', "(month + interval '1 year')::date") %}
    {%- set in_next_year = "account_id, property_id, (month + interval '1 year')::date, currency" %}
    SELECT account_id, property_id, month, currency, day AS as_of, 'booked' AS kind, nights, rent FROM change WHERE {{ own }}
    UNION ALL
    SELECT account_id, property_id, month, currency, day + 7, 'after_7', -nights, -rent FROM change WHERE {{ own }}
    UNION ALL
    SELECT account_id, property_id, month, currency, day + 30, 'after_30', -nights, -rent FROM change WHERE {{ own }}
    UNION ALL
    SELECT {{ in_next_year }}, {{ a_year_later('day') }}, 'by_date', nights, rent FROM change WHERE {{ next_year }}
    UNION ALL
    SELECT {{ in_next_year }}, {{ as_early_next_year('day', 'month') }}, 'by_lead', nights, rent FROM change WHERE {{ next_year }}
    -- A comparison by date stops for a day, so that day and the next have rows.
    UNION ALL
    SELECT c.account_id, c.property_id, c.month, c.currency, l.day, 'leap', 0, 0::numeric
    FROM change AS c JOIN leap AS l ON l.day > c.day AND l.day <= c.month + interval '1 month'
    WHERE {{ own }}
    UNION ALL
    SELECT {{ in_next_year }}, l.day, 'leap', 0, 0::numeric
    FROM change AS c
    JOIN leap AS l
        ON l.day > least({{ a_year_later('c.day') }}, {{ as_early_next_year('c.day', 'c.month') }})
        AND l.day <= c.month + interval '1 year 1 month'
    WHERE {{ next_year }}
),
{%- set kinds = {
    '': "kind = 'booked'", '_7': "kind IN ('booked', 'after_7')", '_30': "kind IN ('booked', 'after_30')",
    '_by_date': "kind = 'by_date'", '_by_lead': "kind = 'by_lead'",
} %}
summed AS (
    SELECT
        account_id,
        property_id,
        month,
        currency,
        as_of,
        bool_or(kind = 'leap') AS is_leap
        {%- for name, of_kind in kinds.items() %},
        coalesce(sum(nights) FILTER (WHERE {{ of_kind }}), 0)::integer AS nights{{ name }},
        coalesce(sum(rent) FILTER (WHERE {{ of_kind }}), 0) AS rent{{ name }}
        {%- endfor %}
    FROM step
    WHERE as_of <= (now() AT TIME ZONE 'UTC')::date
    GROUP BY account_id, property_id, month, currency, as_of
)
SELECT
    account_id,
    property_id,
    month,
    currency,
    as_of,
    lead(as_of) OVER so_far - 1 AS as_of_to,
    month - as_of AS days_before,
    sum(nights) OVER so_far AS nights,
    sum(rent) OVER so_far AS rent,
    sum(nights_7) OVER so_far AS pickup_nights_7,
    sum(rent_7) OVER so_far AS pickup_rent_7,
    sum(nights_30) OVER so_far AS pickup_nights_30,
    sum(rent_30) OVER so_far AS pickup_rent_30,
    CASE WHEN NOT is_leap_day THEN sum(nights_by_date) OVER so_far END AS last_year_nights,
    CASE WHEN NOT is_leap_day THEN sum(rent_by_date) OVER so_far END AS last_year_rent,
    sum(nights_by_lead) OVER so_far AS last_year_nights_by_lead,
    sum(rent_by_lead) OVER so_far AS last_year_rent_by_lead,
    lag(as_of) OVER so_far IS NULL AND currency = m.first_currency AS is_first_of_month,
    version
FROM (
    SELECT *, extract(day FROM as_of) = 29 AND extract(month FROM as_of) = 2 AS is_leap_day
    FROM summed
    WHERE is_leap {%- for name in kinds %} OR nights{{ name }} <> 0 OR rent{{ name }} <> 0 {%- endfor %}
) AS changed
JOIN {{ ref('int_pace_months') }} AS m USING (account_id, property_id, month)
WINDOW so_far AS (PARTITION BY account_id, property_id, month, currency ORDER BY as_of ROWS UNBOUNDED PRECEDING)
