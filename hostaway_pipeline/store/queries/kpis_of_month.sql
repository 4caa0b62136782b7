-- kpis_of_month: what each property of an account made of a month, best first.
SELECT
    p.label,
    k.sold_nights,
    k.listed_nights,
    k.occupancy::double precision,
    m.adr::double precision,
    m.revpar::double precision,
    m.currency
FROM marts.kpi_listing_month AS k
JOIN marts.dim_property AS p USING (account_id, property_id)
LEFT JOIN marts.kpi_listing_month_money AS m USING (account_id, property_id, month)
WHERE k.account_id = %(account_id)s AND k.month = %(month)s
ORDER BY m.currency, m.revpar DESC NULLS LAST, p.label
