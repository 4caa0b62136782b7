-- report_stays: stay length and lead time by month of arrival.
--
-- As in marts.kpi_account_month, but over all accounts of the report at once: medians do not add up.
SELECT
    date_trunc('month', b.arrival_date::timestamp)::date AS month,
    count(*) AS stays,
    avg(b.nights) AS nights_mean,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY b.nights) AS nights_median,
    avg(b.lead_days) AS lead_mean,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY b.lead_days) AS lead_median
FROM core.booking AS b
JOIN core.property AS p
    ON p.account_id = b.account_id AND p.property_id = b.property_id
    AND b.arrival_date BETWEEN p.listed_from AND coalesce(p.listed_to, 'infinity')
WHERE b.account_id = ANY(%(accounts)s)
    AND b.arrival_date >= %(first)s AND b.arrival_date < %(this_month)s + interval '1 month'
    AND b.state = 'sold' AND NOT b.is_dates_unspecified AND b.nights BETWEEN 1 AND 1100
GROUP BY 1
ORDER BY 1
