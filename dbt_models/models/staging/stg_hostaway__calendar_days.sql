-- stg_hostaway__calendar_days: what Hostaway's calendar says about a listing on a day.
SELECT
    account_id,
    listing_id AS property_id,
    date AS calendar_date,
    is_available,
    status,
    price,
    minimum_stay,
    maximum_stay,
    total_units,
    available_units,
    blocked_units,
    pending_units,
    read_at,
    updated_at AS changed_at
FROM {{ source('hostaway', 'calendar_days') }}
