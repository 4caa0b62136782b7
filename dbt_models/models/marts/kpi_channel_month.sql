-- kpi_channel_month: what each channel brought in each month, by currency, before and after its commission.
--
-- Nights count in the month of the night, stays in that of arrival, cancellations in that of the booking.
WITH part AS (
    SELECT
        account_id, channel, month, currency, sold_nights, priced_nights, rent, commission, 0 AS stays, 0 AS cancellations
    FROM {{ ref('int_listing_channel_months') }}
    WHERE channel IS NOT NULL
    UNION ALL
    SELECT s.account_id, s.channel, m.month, s.currency, 0, 0, 0, 0, 1, 0
    FROM {{ ref('int_stays') }} AS s
    JOIN {{ ref('int_listing_months') }} AS m
        ON m.account_id = s.account_id AND m.property_id = s.property_id
        AND m.month = date_trunc('month', s.arrival_date::timestamp)::date
        AND s.arrival_date BETWEEN m.first_day AND m.last_day
    WHERE s.state = 'sold'
    UNION ALL
    SELECT account_id, channel, date_trunc('month', booked_on::timestamp)::date, currency, 0, 0, 0, 0, 0, 1
    FROM {{ ref('fct_cancellations') }}
    WHERE booked_on IS NOT NULL AND NOT is_dates_unspecified
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
