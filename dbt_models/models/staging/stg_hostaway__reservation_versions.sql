-- stg_hostaway__reservation_versions: superseded states of reservations, with the time at which each ended.
SELECT
    account_id,
    reservation_id AS booking_id,
    version_id,
    listing_id AS property_id,
    channel_id,
    channel_name,
    status AS source_status,
    arrival_date,
    departure_date,
    coalesce(is_dates_unspecified, false) AS is_dates_unspecified,
    unit_count,
    currency,
    total_price,
    channel_commission,
    reserved_at,
    inserted_at,
    cancelled_on,
    nullif(finance_lines, 'null') AS finance_lines,  -- JSON's null means the same
    is_deleted,
    valid_from,
    valid_to,
    valid_to_source,
    seen_at,
    source,
    is_reconstructed
FROM {{ source('hostaway', 'reservation_versions') }}
