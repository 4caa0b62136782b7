-- report_months: occupancy of all accounts of a report together. Sums over sums.
SELECT
    month,
    sum(listed_nights)::bigint AS listed_nights,
    sum(sold_nights)::bigint AS sold_nights,
    sum(sold_nights)::numeric / nullif(sum(listed_nights), 0) AS occupancy
FROM marts.kpi_account_month
WHERE account_id = ANY(%(accounts)s) AND month BETWEEN %(first)s AND %(last)s
GROUP BY month
HAVING sum(listed_nights) > 0
ORDER BY month
