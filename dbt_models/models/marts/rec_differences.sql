{{ config(tags='nightly') }}
-- rec_differences: what each booking adds to the difference between a report of Hostaway's and our figure, and why.
--
-- From our figure to theirs in steps, each with a reason: nights on days on which the home is not listed, what else
-- they count, dates that they count once, and the month in which they count. The steps of all bookings add up to the
-- difference of the totals, to the last minor unit. Supply is no booking's: such rows have booking 0.
WITH night AS MATERIALIZED (SELECT * FROM {{ ref('int_rec_nights') }}),
stay AS MATERIALIZED (SELECT * FROM {{ ref('int_rec_stays') }}),
counted AS (
    SELECT
        n.*,
        r.report,
        r.is_ours,
        row_number() OVER (
            PARTITION BY n.account_id, r.report, n.property_id, n.stay_date ORDER BY r.is_ours DESC, n.booking_id
        ) AS place
    FROM night AS n
    JOIN (
        VALUES ('occupancy_report_nights', 'sold', true), ('occupancy_report_owner_nights', 'owner', true),
            ('analytics_nights', 'sold', true), ('analytics_nights', 'owner', false)
    ) AS r (report, state, is_ours) ON r.state = n.state
),
rent AS (
    SELECT
        account_id,
        booking_id,
        property_id,
        month,
        currency,
        coalesce(sum(rent), 0) AS rent,
        coalesce(sum(rent) FILTER (WHERE is_listed), 0) AS listed_rent
    FROM night
    WHERE state = 'sold'
    GROUP BY account_id, booking_id, property_id, month, currency
),
-- The money reports: by check-in or check-out, rent or the whole price.
event AS (
    SELECT s.*, r.report, r.reason, CASE r.reason WHEN 'counted_at_check_out' THEN check_out ELSE check_in END AS month
    FROM stay AS s
    CROSS JOIN (
        VALUES ('revenue_by_check_in', 'counted_at_check_in'), ('revenue_by_check_out', 'counted_at_check_out'),
            ('total_by_check_in', 'counted_at_check_in')
    ) AS r (report, reason)
),
cancelled AS (
    SELECT *, date_trunc('month', arrival_date::timestamp)::date AS check_in
    FROM {{ ref('fct_cancellations') }}
    WHERE NOT is_dates_unspecified
),
in_currencies AS (
    SELECT account_id, month, array_agg(currency) AS currencies
    FROM {{ ref('kpi_account_month_money') }}
    WHERE rent <> 0
    GROUP BY account_id, month
    HAVING count(*) > 1
),
part AS (
    SELECT account_id, report, month, 'nights' AS unit, property_id, booking_id, 'night_not_listed' AS reason, units::numeric AS amount
    FROM counted WHERE is_ours AND NOT is_listed
    UNION ALL
    SELECT account_id, report, month, 'nights', property_id, booking_id, 'owner_stay', units
    FROM counted WHERE NOT is_ours
    UNION ALL
    SELECT account_id, report, month, 'nights', property_id, booking_id, 'date_counted_once', (place = 1)::integer - units
    FROM counted
    UNION ALL
    SELECT account_id, 'occupancy_report_available', month, 'nights', property_id, 0, 'blocked', -blocked_units
    FROM {{ ref('fct_listing_calendar_daily') }} WHERE blocked_units > 0
    UNION ALL
    SELECT account_id, 'occupancy_report_available', month, 'nights', property_id, 0, 'date_counted_once', 1 - units + coalesce(blocked_units, 0)
    FROM {{ ref('fct_listing_calendar_daily') }} WHERE units - coalesce(blocked_units, 0) > 1
    UNION ALL
    SELECT r.account_id, e.report, r.month, r.currency, r.property_id, r.booking_id, 'night_not_listed', r.rent - r.listed_rent
    FROM rent AS r
    CROSS JOIN (VALUES ('revenue_by_check_in'), ('revenue_by_check_out'), ('total_by_check_in')) AS e (report)
    UNION ALL
    SELECT r.account_id, e.report, r.month, r.currency, r.property_id, r.booking_id, e.reason, -r.rent
    FROM rent AS r
    CROSS JOIN (
        VALUES ('revenue_by_check_in', 'counted_at_check_in'), ('revenue_by_check_out', 'counted_at_check_out'),
            ('total_by_check_in', 'counted_at_check_in')
    ) AS e (report, reason)
    UNION ALL
    SELECT account_id, report, month, currency, property_id, booking_id, reason, rent FROM event
    UNION ALL
    SELECT account_id, report, month, currency, property_id, booking_id, 'fees', fees
    FROM event WHERE report = 'total_by_check_in' AND rent IS NOT NULL
    UNION ALL
    SELECT account_id, report, month, currency, property_id, booking_id, 'taxes', tax
    FROM event WHERE report = 'total_by_check_in' AND rent IS NOT NULL
    UNION ALL
    SELECT account_id, report, month, currency, property_id, booking_id, 'other_lines', total_price - rent - fees - tax
    FROM event WHERE report = 'total_by_check_in' AND rent IS NOT NULL
    UNION ALL
    SELECT account_id, report, month, currency, property_id, booking_id, 'rent_unknown', total_price
    FROM event WHERE report = 'total_by_check_in' AND rent IS NULL
    UNION ALL
    SELECT account_id, report, month, currency, property_id, booking_id, 'ical_left_out',
        -CASE report WHEN 'total_by_check_in' THEN total_price ELSE rent END
    FROM event WHERE is_ical
    UNION ALL
    SELECT r.account_id, 'revenue_in_one_currency', r.month, c.currency, r.property_id, r.booking_id, 'not_converted', r.listed_rent
    FROM rent AS r
    JOIN in_currencies AS i ON i.account_id = r.account_id AND i.month = r.month
    JOIN LATERAL unnest(i.currencies) AS c (currency) ON c.currency <> r.currency
    UNION ALL
    SELECT account_id, 'cancellations_by_check_in', check_in, 'bookings', coalesce(property_id, 0), booking_id,
        CASE WHEN booked_on IS NULL THEN 'no_booking_day' ELSE 'counted_at_check_in' END, 1
    FROM cancelled WHERE check_in IS NOT NULL
    UNION ALL
    SELECT account_id, 'cancellations_by_check_in', month, 'bookings', coalesce(property_id, 0), booking_id, 'counted_at_check_in', -1
    FROM cancelled WHERE month IS NOT NULL
)
SELECT account_id, report, month, unit, property_id, booking_id, reason, sum(amount) AS amount
FROM part
WHERE {{ is_reconciled('month') }}
GROUP BY account_id, report, month, unit, property_id, booking_id, reason
HAVING sum(amount) <> 0
