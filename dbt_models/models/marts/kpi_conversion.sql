{{ config(limit_by=['account_id']) }}
-- kpi_conversion: how many enquiries became bookings, by the month in which they came in.
--
-- An enquiry is told by its states, not by its conversation: it counts even if it was deleted later. A booking of which
-- we only know that it is sold counts as none, whatever it was before.
WITH asked AS (
    SELECT
        account_id,
        booking_id,
        min(valid_from) AS asked_at,
        (array_agg(channel ORDER BY valid_from))[1] AS channel
    FROM {{ ref('booking_versions') }}
    WHERE state = 'inquiry' AND {{ moved('account_id') }}
    GROUP BY account_id, booking_id
),
booked AS (
    SELECT a.account_id, a.booking_id, min(v.valid_from) AS booked_at
    FROM asked AS a
    JOIN {{ ref('booking_versions') }} AS v ON v.account_id = a.account_id AND v.booking_id = a.booking_id
    WHERE v.state = 'sold' AND v.valid_from > a.asked_at
    GROUP BY a.account_id, a.booking_id
)
SELECT
    a.account_id,
    a.channel,
    date_trunc('month', a.asked_at AT TIME ZONE 'UTC')::date AS month,
    count(*) AS enquiries,
    count(b.booked_at) AS bookings,
    {{ ratio('count(b.booked_at)', 'count(*)') }} AS conversion_rate,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM b.booked_at - a.asked_at)::double precision / 86400)
        AS days_to_book_median
FROM asked AS a
LEFT JOIN booked AS b ON b.account_id = a.account_id AND b.booking_id = a.booking_id
GROUP BY a.account_id, a.channel, date_trunc('month', a.asked_at AT TIME ZONE 'UTC')
