{{ config(
    version=['version'], compare_with='int_account_months',
) }}
-- kpi_account_month: each month of an account: sums over its properties, stays by arrival, bookings by booking day and
-- answers by the day of the question. Ratios are ratios of sums, never means of ratios.
WITH night AS (
    SELECT
        account_id,
        month,
        sum(listed_nights)::bigint AS listed_nights,
        sum(sold_nights)::bigint AS sold_nights,
        sum(owner_nights)::bigint AS owner_nights,
        sum(hold_nights)::bigint AS hold_nights,
        CASE WHEN bool_and(supply_source = 'calendar') THEN sum(blocked_nights)::bigint END AS blocked_nights
    FROM {{ ref('kpi_listing_month') }}
    WHERE {{ due('account_id', 'month') }}
    GROUP BY account_id, month
),
-- Materialized, so that the month is a column: Postgres would compare each month with all stays of its property.
arrival AS MATERIALIZED (
    SELECT account_id, property_id, date_trunc('month', arrival_date::timestamp)::date AS month, arrival_date, nights, lead_days
    FROM {{ ref('int_taking_bookings') }}
    WHERE state = 'sold' AND {{ due('account_id', "date_trunc('month', arrival_date::timestamp)::date") }}
),
stay AS (
    SELECT
        a.account_id,
        a.month,
        count(*) AS stays,
        avg(a.nights) AS stay_length_mean,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY a.nights) AS stay_length_median,
        avg(a.lead_days) AS lead_time_mean,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY a.lead_days) AS lead_time_median,
        count(*) FILTER (WHERE a.lead_days < 0) AS negative_lead_times
    FROM arrival AS a
    JOIN {{ ref('int_listing_months') }} AS m
        ON m.account_id = a.account_id AND m.property_id = a.property_id AND m.month = a.month
        AND a.arrival_date BETWEEN m.first_day AND m.last_day
    GROUP BY a.account_id, a.month
),
asked AS (
    SELECT
        account_id,
        date_trunc('month', started_on::timestamp)::date AS month,
        count(*) AS guest_runs,
        count(*) FILTER (WHERE NOT is_open) AS answered_runs,
        avg(response_minutes) AS response_minutes_mean,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY response_minutes) AS response_minutes_median,
        count(*) FILTER (WHERE is_new_thread) AS new_threads,
        count(*) FILTER (WHERE is_new_thread AND is_within_24h) AS new_threads_within_24h
    FROM {{ ref('fct_guest_responses') }}
    WHERE {{ due('account_id', "date_trunc('month', started_on::timestamp)::date") }}
    GROUP BY account_id, date_trunc('month', started_on::timestamp)
),
summed AS (
    SELECT
        m.account_id,
        m.month,
        coalesce(n.listed_nights, 0) AS listed_nights,
        coalesce(n.sold_nights, 0) AS sold_nights,
        coalesce(n.owner_nights, 0) AS owner_nights,
        coalesce(n.hold_nights, 0) AS hold_nights,
        n.blocked_nights,
        coalesce(s.stays, 0) AS stays,
        s.stay_length_mean,
        s.stay_length_median,
        s.lead_time_mean,
        s.lead_time_median,
        coalesce(s.negative_lead_times, 0) AS negative_lead_times,
        m.bookings_made,
        m.cancellations,
        coalesce(a.guest_runs, 0) AS guest_runs,
        coalesce(a.answered_runs, 0) AS answered_runs,
        a.response_minutes_mean,
        a.response_minutes_median,
        coalesce(a.new_threads, 0) AS new_threads,
        coalesce(a.new_threads_within_24h, 0) AS new_threads_within_24h,
        m.version
    FROM {{ ref('int_account_months') }} AS m
    LEFT JOIN night AS n ON n.account_id = m.account_id AND n.month = m.month
    LEFT JOIN stay AS s ON s.account_id = m.account_id AND s.month = m.month
    LEFT JOIN asked AS a ON a.account_id = m.account_id AND a.month = m.month
    WHERE {{ due('m.account_id', 'm.month') }}
)
SELECT
    account_id,
    month,
    listed_nights,
    {{ occupancies() }},
    stays,
    stay_length_mean,
    stay_length_median,
    lead_time_mean,
    lead_time_median,
    negative_lead_times,
    bookings_made,
    cancellations,
    {{ ratio('cancellations', 'bookings_made') }} AS cancellation_rate,
    guest_runs,
    answered_runs,
    response_minutes_mean,
    response_minutes_median,
    new_threads,
    new_threads_within_24h,
    {{ ratio('new_threads_within_24h', 'new_threads') }} AS airbnb_response_rate,
    version
FROM summed
