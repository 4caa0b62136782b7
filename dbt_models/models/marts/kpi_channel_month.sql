{{ config(limit_by=['account_id', 'month']) }}
-- kpi_channel_month: what each channel brought in each month, by currency, before and after its commission.
--
-- Nights count in the month of the night, stays in that of arrival, cancellations in that of the booking.
WITH part AS (
    SELECT
        account_id, channel, month, currency, sold_nights, priced_nights, rent, commission, stays, 0 AS cancellations
    FROM {{ ref('int_listing_channel_months') }}
    WHERE channel IS NOT NULL AND {{ moved('account_id', 'month') }}
    UNION ALL
    SELECT account_id, channel, month, currency, 0, 0, 0, 0, 0, 1
    FROM {{ ref('fct_cancellations') }}
    WHERE month IS NOT NULL AND NOT is_dates_unspecified AND {{ moved('account_id', 'month') }}
)
SELECT
    account_id,
    channel,
    month,
    currency,
    sum(sold_nights)::bigint AS sold_nights,
    sum(priced_nights)::bigint AS priced_nights,
    sum(rent) AS rent,
    sum(commission) AS commission,
    sum(rent) - sum(commission) AS net,
    {{ ratio('sum(rent)', 'sum(priced_nights)') }} AS adr,
    sum(stays)::bigint AS stays,
    sum(cancellations)::bigint AS cancellations
FROM part
GROUP BY account_id, channel, month, currency
