{{ config(materialized='compared', contract={'enforced': true}) }}
-- int_account_months: every month in which an account has a listed day, a booking made or a question of a guest, with
-- a version that moves with all that its KPIs depend on.
WITH part AS (
    SELECT account_id, month, bit_xor(hash_record_extended(ROW(property_id, version), 0)) AS version
    FROM {{ ref('int_listing_months') }}
    GROUP BY account_id, month
    UNION ALL
    SELECT
        account_id,
        date_trunc('month', booked_on::timestamp)::date,
        bit_xor(hash_record_extended(ROW(booking_id, changed_at, booked_on, property_id), 0))
    FROM {{ ref('booking') }}
    WHERE state IN ('sold', 'cancelled') AND booked_on IS NOT NULL AND NOT is_dates_unspecified
    GROUP BY account_id, date_trunc('month', booked_on::timestamp)
    UNION ALL
    SELECT
        account_id,
        date_trunc('month', started_on::timestamp)::date,
        bit_xor(hash_record_extended(ROW(conversation_id, first_message_id, version), 0))
    FROM {{ ref('fct_guest_responses') }}
    GROUP BY account_id, date_trunc('month', started_on::timestamp)
)
SELECT account_id, month, bit_xor(version) AS version FROM part GROUP BY account_id, month
