{{ config(limit_by=['account_id', 'month']) }}
-- kpi_account_month_money: what an account earned in each month, by currency: sums over its properties.
--
-- Listed nights are those of the properties that have the currency; where none has it, rent per listed night is null.
-- Kept money of cancelled bookings counts in the month in which they were booked.
WITH part AS (
    SELECT account_id, month, currency, rent, priced_nights, listed_nights, commission, 0::numeric AS kept_amount
    FROM {{ ref('kpi_listing_month_money') }}
    WHERE {{ moved('account_id', 'month') }}
    UNION ALL
    SELECT account_id, month, currency, 0, 0, NULL, 0, kept_amount
    FROM {{ ref('fct_cancellations') }}
    WHERE month IS NOT NULL AND NOT is_dates_unspecified AND kept_amount > 0
        AND {{ moved('account_id', 'month') }}
)
SELECT
    account_id,
    month,
    currency,
    sum(rent) AS rent,
    sum(priced_nights)::bigint AS priced_nights,
    sum(listed_nights)::bigint AS listed_nights,
    {{ ratio('sum(rent)', 'sum(priced_nights)') }} AS adr,
    {{ ratio('sum(rent)', 'sum(listed_nights)') }} AS revpar,
    sum(commission) AS commission,
    sum(kept_amount) AS kept_amount
FROM part
GROUP BY account_id, month, currency
