{{ config(tags='nightly') }}
-- rec_totals: reports of Hostaway's, rebuilt by their definitions from our bookings, beside our own figures.
--
-- Neither side is made of the differences: rec_differences must explain what is between them.
WITH night AS MATERIALIZED (SELECT * FROM {{ ref('int_rec_nights') }}),
stay AS MATERIALIZED (SELECT * FROM {{ ref('int_rec_stays') }}),
theirs AS (
    -- A date of a home counts once, whatever is booked on it.
    SELECT account_id, report, month, 'nights' AS unit, count(*)::numeric AS amount
    FROM (
        SELECT DISTINCT n.account_id, r.report, n.month, n.property_id, n.stay_date
        FROM night AS n
        JOIN (
            VALUES ('occupancy_report_nights', 'sold'), ('occupancy_report_owner_nights', 'owner'),
                ('analytics_nights', 'sold'), ('analytics_nights', 'owner')
        ) AS r (report, state) ON r.state = n.state
    ) AS booked
    GROUP BY account_id, report, month
    UNION ALL
    SELECT account_id, 'occupancy_report_available', month, 'nights', count(*) FILTER (WHERE units > coalesce(blocked_units, 0))
    FROM {{ ref('fct_listing_calendar_daily') }}
    GROUP BY account_id, month
    UNION ALL
    SELECT account_id, 'revenue_by_check_in', check_in, currency, coalesce(sum(rent) FILTER (WHERE NOT is_ical), 0)
    FROM stay
    GROUP BY account_id, check_in, currency
    UNION ALL
    SELECT account_id, 'revenue_by_check_out', check_out, currency, coalesce(sum(rent) FILTER (WHERE NOT is_ical), 0)
    FROM stay
    GROUP BY account_id, check_out, currency
    UNION ALL
    SELECT account_id, 'total_by_check_in', check_in, currency, coalesce(sum(total_price) FILTER (WHERE NOT is_ical), 0)
    FROM stay
    GROUP BY account_id, check_in, currency
    UNION ALL
    SELECT account_id, 'cancellations_by_check_in', date_trunc('month', arrival_date::timestamp)::date, 'bookings', count(*)
    FROM {{ ref('fct_cancellations') }}
    WHERE NOT is_dates_unspecified AND arrival_date IS NOT NULL
    GROUP BY account_id, date_trunc('month', arrival_date::timestamp)
),
ours AS (
    SELECT k.account_id, r.report, k.month, r.unit, r.amount::numeric
    FROM {{ ref('kpi_account_month') }} AS k
    CROSS JOIN LATERAL (
        VALUES ('occupancy_report_nights', 'nights', k.sold_nights),
            ('occupancy_report_owner_nights', 'nights', k.owner_nights),
            ('occupancy_report_available', 'nights', k.listed_nights),
            ('analytics_nights', 'nights', k.sold_nights),
            ('cancellations_by_check_in', 'bookings', k.cancellations)
    ) AS r (report, unit, amount)
    UNION ALL
    SELECT k.account_id, r.report, k.month, k.currency, k.rent
    FROM {{ ref('kpi_account_month_money') }} AS k
    CROSS JOIN (VALUES ('revenue_by_check_in'), ('revenue_by_check_out'), ('total_by_check_in')) AS r (report)
),
both_sides AS (
    SELECT account_id, report, month, unit, coalesce(t.amount, 0) AS theirs, coalesce(o.amount, 0) AS ours
    FROM theirs AS t
    FULL JOIN ours AS o USING (account_id, report, month, unit)
    UNION ALL
    SELECT account_id, 'revenue_in_one_currency', month, currency, sum, rent
    FROM (
        SELECT *, sum(rent) OVER currencies AS sum, count(*) OVER currencies AS currencies
        FROM {{ ref('kpi_account_month_money') }}
        WHERE rent <> 0
        WINDOW currencies AS (PARTITION BY account_id, month)
    ) AS earned
    WHERE currencies > 1
)
SELECT account_id, report, month, unit, theirs, ours, theirs - ours AS difference
FROM both_sides
WHERE {{ is_reconciled('month') }} AND (theirs <> 0 OR ours <> 0)
