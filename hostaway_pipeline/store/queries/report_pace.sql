-- report_pace: nights on the books for some months, at the end of each day on which they changed.
WITH change AS (
    SELECT
        month,
        as_of,
        nights - lag(nights, 1, 0) OVER (PARTITION BY account_id, property_id, month, currency ORDER BY as_of) AS nights
    FROM marts.kpi_pace
    WHERE account_id = ANY(%(accounts)s) AND month = ANY(%(pace_months)s)
)
SELECT month, as_of, (sum(sum(nights)) OVER (PARTITION BY month ORDER BY as_of))::bigint AS nights
FROM change
GROUP BY month, as_of
ORDER BY month, as_of
