-- stg_hostaway__reservation_trails: which of Hostaway's logs of changes were read.
SELECT account_id, reservation_id AS booking_id, outcome, read_at
FROM {{ source('hostaway', 'reservation_trails') }}
