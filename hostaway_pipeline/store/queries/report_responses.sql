-- report_responses: how long guests waited for a person, by month of their question, and who still waits.
--
-- As in marts.kpi_account_month, but over all accounts of the report at once: medians do not add up.
SELECT
    date_trunc('month', started_on::timestamp)::date AS month,
    count(*) AS asked,
    count(*) FILTER (WHERE is_open) AS open,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY response_minutes) AS minutes_median,
    count(*) FILTER (WHERE is_new_thread AND is_within_24h)::numeric
        / nullif(count(*) FILTER (WHERE is_new_thread), 0) AS within_24h
FROM marts.fct_guest_responses
WHERE account_id = ANY(%(accounts)s)
    AND started_on >= %(first)s AND started_on < %(this_month)s + interval '1 month'
GROUP BY 1
ORDER BY 1
