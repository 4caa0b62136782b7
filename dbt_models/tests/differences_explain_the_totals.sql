{{ config(tags='nightly', meta={'dagster': {'ref': {'name': 'rec_differences'}}}) }}
-- The differences of all bookings add up to the difference of the totals, exactly.
WITH explained AS (
    SELECT account_id, report, month, unit, sum(amount) AS amount
    FROM {{ ref('rec_differences') }}
    GROUP BY account_id, report, month, unit
)
SELECT account_id, report, month, unit
FROM {{ ref('rec_totals') }} AS t
FULL JOIN explained AS e USING (account_id, report, month, unit)
WHERE coalesce(t.difference, 0) <> coalesce(e.amount, 0)
