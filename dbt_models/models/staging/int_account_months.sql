{{ config(materialized='compared', contract={'enforced': true}, limit_by=['account_id']) }}
-- int_account_months: every month in which an account has a listed day, a booking made or a question of a guest, with
-- the bookings made, and a version that moves with all that its KPIs depend on.
WITH part AS (
    SELECT
        account_id,
        month,
        0 AS bookings_made,
        0 AS cancellations,
        bit_xor(version) AS version
    FROM {{ ref('int_listing_months') }}
    WHERE {{ moved('account_id') }}
    GROUP BY account_id, month
    UNION ALL
    SELECT
        account_id,
        date_trunc('month', booked_on::timestamp)::date,
        count(*),
        count(*) FILTER (WHERE state = 'cancelled'),
        hash_record_extended(ROW(count(*), count(*) FILTER (WHERE state = 'cancelled')), 0)
    FROM {{ ref('booking') }}
    WHERE state IN ('sold', 'cancelled') AND booked_on IS NOT NULL AND NOT is_dates_unspecified
        AND {{ moved('account_id') }}
    GROUP BY account_id, date_trunc('month', booked_on::timestamp)
    UNION ALL
    SELECT
        account_id,
        date_trunc('month', started_on::timestamp)::date,
        0,
        0,
        bit_xor(hash_record_extended(ROW(conversation_id, first_message_id, version), 0))
    FROM {{ ref('fct_guest_responses') }}
    WHERE {{ moved('account_id') }}
    GROUP BY account_id, date_trunc('month', started_on::timestamp)
)
SELECT
    account_id,
    month,
    sum(bookings_made)::bigint AS bookings_made,
    sum(cancellations)::bigint AS cancellations,
    bit_xor(version) AS version
FROM part
GROUP BY account_id, month
