-- kpis_of_month: what each property of an account made of the last full month before its newest booking, best first.
SELECT
    p.label,
    k.month,
    k.occupancy::double precision,
    m.adr::double precision,
    m.revpar::double precision,
    m.currency
FROM marts.kpi_listing_month AS k
JOIN marts.dim_property AS p USING (account_id, property_id)
LEFT JOIN marts.kpi_listing_month_money AS m USING (account_id, property_id, month)
WHERE k.account_id = %(account_id)s
    AND k.month = (
        SELECT date_trunc('month', max(booked_on) - interval '1 month')::date
        FROM core.booking
        WHERE account_id = %(account_id)s
    )
ORDER BY m.currency, m.revpar DESC NULLS LAST, p.label
