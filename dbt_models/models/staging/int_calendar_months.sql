{{ config(
    materialized='compared', contract={'enforced': true}, log_by=[['account_id', 'property_id']],
) }}
-- int_calendar_months: the months of a property of which the calendar knows a day, with a version of these days.
SELECT
    account_id,
    property_id,
    date_trunc('month', calendar_date::timestamp)::date AS month,
    bit_xor(hash_record_extended(ROW(calendar_date, changed_at), 0)) AS version
FROM {{ ref('stg_hostaway__calendar_days') }}
GROUP BY account_id, property_id, date_trunc('month', calendar_date::timestamp)
