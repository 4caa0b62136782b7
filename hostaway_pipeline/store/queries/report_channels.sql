-- report_channels: what each channel brought by month and currency, the channel of most nights first.
SELECT
    k.month,
    d.label AS channel,
    k.currency,
    sum(k.sold_nights)::bigint AS sold_nights,
    sum(k.rent) AS rent,
    sum(k.commission) AS commission,
    sum(k.net) AS net,
    sum(sum(k.sold_nights)) OVER (PARTITION BY d.label) AS nights_in_all
FROM marts.kpi_channel_month AS k
JOIN marts.dim_channel AS d USING (channel)
WHERE k.account_id = ANY(%(accounts)s) AND k.month BETWEEN %(first)s AND %(last)s
GROUP BY k.month, d.label, k.currency
ORDER BY nights_in_all DESC, d.label, k.month, k.currency
