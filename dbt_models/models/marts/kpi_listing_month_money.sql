{{ config(
    keys=['account_id', 'property_id', 'month'], version=['version'], compare_with='int_priced_months',
    limit_by=['account_id', 'property_id', 'month'], log_by=[['account_id', 'month']],
) }}
-- kpi_listing_month_money: what each property earned in each month, by currency.
--
-- A month has a row in the property's own currency even if nothing was sold, since its nights were offered in it. For
-- any other currency there is no denominator: rent per listed night is null.
WITH earned AS (
    SELECT
        account_id,
        property_id,
        month,
        currency,
        sum(rent) AS rent,
        sum(priced_nights)::bigint AS priced_nights,
        sum(commission) AS commission
    FROM {{ ref('int_listing_channel_months') }}
    WHERE channel IS NOT NULL AND {{ due('account_id', 'property_id', 'month') }}
    GROUP BY account_id, property_id, month, currency
),
offered AS (
    SELECT m.account_id, m.property_id, m.month, m.currency, k.listed_nights
    FROM {{ ref('int_listing_months') }} AS m
    JOIN {{ ref('kpi_listing_month') }} AS k
        ON k.account_id = m.account_id AND k.property_id = m.property_id AND k.month = m.month
    WHERE m.currency IS NOT NULL AND {{ due('m.account_id', 'm.property_id', 'm.month') }}
)
SELECT
    account_id,
    property_id,
    month,
    currency,
    coalesce(e.rent, 0) AS rent,
    coalesce(e.priced_nights, 0) AS priced_nights,
    o.listed_nights,
    {{ ratio('e.rent', 'e.priced_nights') }} AS adr,
    {{ ratio('coalesce(e.rent, 0)', 'o.listed_nights') }} AS revpar,
    coalesce(e.commission, 0) AS commission,
    m.version
FROM earned AS e
FULL JOIN offered AS o USING (account_id, property_id, month, currency)
JOIN (SELECT account_id, property_id, month, version FROM {{ ref('int_priced_months') }}) AS m
    USING (account_id, property_id, month)
