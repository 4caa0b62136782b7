{{ config(tags='nightly', meta={'dagster': {'ref': {'name': 'booking_versions'}}}) }}
-- No state of a booking begins before the one before it has ended.
SELECT account_id, booking_id, valid_from
FROM (
    SELECT
        account_id,
        booking_id,
        valid_from,
        lag(valid_to, 1, '-infinity') OVER (PARTITION BY account_id, booking_id ORDER BY valid_from) AS ended_at
    FROM {{ ref('booking_versions') }}
) AS version
WHERE ended_at IS NULL OR valid_from < ended_at
