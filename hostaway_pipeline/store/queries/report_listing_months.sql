-- report_listing_months: how full each listing was, by its label. Of more listings than fit, those with most nights.
WITH shown AS (
    SELECT property_id
    FROM marts.kpi_listing_month
    WHERE account_id = ANY(%(accounts)s) AND month BETWEEN %(first)s AND %(last)s
    GROUP BY property_id
    ORDER BY sum(listed_nights) DESC, property_id
    LIMIT %(rows)s
)
SELECT p.property_id AS row_id, p.label, k.month, k.listed_nights, k.sold_nights, k.occupancy
FROM marts.kpi_listing_month AS k
JOIN shown USING (property_id)
JOIN marts.dim_property AS p USING (account_id, property_id)
WHERE k.account_id = ANY(%(accounts)s) AND k.month BETWEEN %(first)s AND %(last)s AND k.occupancy IS NOT NULL
ORDER BY p.label, p.property_id, k.month
