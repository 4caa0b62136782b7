-- report_account_months: how full each account was, by its name. Of more accounts than fit, those with most nights.
WITH shown AS (
    SELECT account_id
    FROM marts.kpi_account_month
    WHERE account_id = ANY(%(accounts)s) AND month BETWEEN %(first)s AND %(last)s
    GROUP BY account_id
    ORDER BY sum(listed_nights) DESC, account_id
    LIMIT %(rows)s
)
SELECT a.account_id AS row_id, a.name AS label, k.month, k.listed_nights, k.sold_nights, k.occupancy
FROM marts.kpi_account_month AS k
JOIN shown USING (account_id)
JOIN marts.dim_account AS a USING (account_id)
WHERE k.month BETWEEN %(first)s AND %(last)s AND k.occupancy IS NOT NULL
ORDER BY a.name, a.account_id, k.month
