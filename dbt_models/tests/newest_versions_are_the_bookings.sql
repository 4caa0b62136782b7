{{ config(tags='nightly', meta={'dagster': {'ref': {'name': 'booking_versions'}}}) }}
-- What is in force now is what core.booking says, and nothing else is.
WITH newest AS (
    SELECT
        account_id, booking_id, property_id, channel, source_status, state, arrival_date, departure_date, nights, units,
        currency, rent, rent_source, total_price, commission, cancelled_on
    FROM {{ ref('booking_versions') }}
    WHERE valid_to IS NULL
),
booking AS (
    SELECT
        account_id, booking_id, property_id, channel, source_status, state, arrival_date, departure_date, nights, units,
        currency, rent, rent_source, total_price, commission, cancelled_on
    FROM {{ ref('booking') }}
)
(TABLE newest EXCEPT TABLE booking) UNION ALL (TABLE booking EXCEPT TABLE newest)
