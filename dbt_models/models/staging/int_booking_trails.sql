{{ config(
    materialized='compared', contract={'enforced': true}, version=['read_at'], log_by=[['account_id', 'booking_id']],
) }}
-- int_booking_trails: bookings whose log of changes was read, kept here so that a build finds those that came since.
SELECT account_id, booking_id, outcome, read_at FROM {{ ref('stg_hostaway__reservation_trails') }}
