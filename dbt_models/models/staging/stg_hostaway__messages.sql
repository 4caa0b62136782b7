-- stg_hostaway__messages: messages of these threads, tombstones included.
SELECT
    account_id,
    id AS message_id,
    conversation_id,
    reservation_id AS booking_id,
    listing_id AS property_id,
    sent_at,
    coalesce(is_incoming, false) AS is_incoming,
    communication_id IS NOT NULL OR communication_event IS NOT NULL AS is_automated,
    communication_type AS channel,
    status,
    body,
    updated_at AS changed_at,
    deleted_at,
    deleted_at IS NOT NULL AS is_deleted
FROM {{ source('hostaway', 'messages') }}
