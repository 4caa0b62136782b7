-- report_money: rent, ADR and RevPAR by month and currency, the currency of most nights first. Sums over sums.
SELECT
    month,
    currency,
    sum(rent) AS rent,
    sum(priced_nights)::bigint AS priced_nights,
    sum(rent) / nullif(sum(priced_nights), 0) AS adr,
    sum(rent) / nullif(sum(listed_nights), 0) AS revpar,
    sum(sum(priced_nights)) OVER (PARTITION BY currency) AS nights_in_all
FROM marts.kpi_account_month_money
WHERE account_id = ANY(%(accounts)s) AND month BETWEEN %(first)s AND %(last)s
GROUP BY month, currency
ORDER BY nights_in_all DESC, currency, month
