{{ config(version=['changed_at']) }}
-- conversation: a thread between a guest and the host. Tombstones have no row.
SELECT
    account_id,
    conversation_id,
    booking_id,
    property_id,
    type,
    last_host_message_at,
    last_guest_message_at,
    has_unread_messages,
    changed_at
FROM {{ ref('stg_hostaway__conversations') }}
WHERE NOT is_deleted
