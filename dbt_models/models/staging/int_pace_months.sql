{{ config(
    materialized='compared', contract={'enforced': true},
    limit_by=['account_id', 'property_id'], log_by=[['account_id', 'property_id', 'month']],
) }}
-- int_pace_months: the months of a property that have a row in kpi_pace, with a version that moves with all that these
-- rows depend on: what was on the books for the month and for the same month a year before, and the last day up to
-- today on which a figure changes, be it only because a booking is no longer among those of seven days.
WITH share AS MATERIALIZED (
    {{ pace_shares(moved('v.account_id', 'v.property_id'), moved('v.account_id', 'v.property_id')) }}
),
part AS (
    SELECT
        account_id,
        property_id,
        month,
        currency,
        from_day AS first_day,
        {{ last_until_today('from_day', 'from_day + 7', 'from_day + 30', 'to_day', 'to_day + 7', 'to_day + 30') }} AS last_day,
        hash_record_extended(ROW(booking_id, currency, from_day, to_day, nights, rent), 0) AS version
    FROM share
    UNION ALL
    SELECT
        account_id,
        property_id,
        (month + interval '1 year')::date,
        currency,
        least(by_date_from, by_lead_from),
        {{ last_until_today('by_date_from', 'by_lead_from', 'by_date_to', 'by_lead_to') }},
        hash_record_extended(ROW(booking_id, currency, from_day, to_day, nights, rent), 1)
    FROM (
        SELECT
            *,
            {{ a_year_later('from_day') }} AS by_date_from,
            {{ as_early_next_year('from_day', 'month') }} AS by_lead_from,
            {{ a_year_later('to_day') }} AS by_date_to,
            {{ as_early_next_year('to_day', 'month') }} AS by_lead_to
        FROM share
    ) AS last_year
),
summed AS (
    SELECT
        account_id,
        property_id,
        month,
        min(currency) FILTER (WHERE last_day IS NOT NULL) AS first_currency,
        min(first_day) AS first_day,
        max(last_day) AS last_day,
        bit_xor(version) AS version
    FROM part
    GROUP BY account_id, property_id, month
)
SELECT
    s.account_id,
    s.property_id,
    s.month,
    s.first_currency,
    hash_record_extended(ROW(s.version, greatest(s.last_day, l.day)), 0) AS version
FROM summed AS s
LEFT JOIN LATERAL (
    SELECT max(day) AS day
    FROM ({{ leap_days() }}) AS leap
    WHERE day > s.first_day AND day <= s.month + interval '1 month'
) AS l ON true
WHERE s.last_day IS NOT NULL
