-- stg_hostaway__conversations: threads between a guest and the host, tombstones included.
SELECT
    account_id,
    id AS conversation_id,
    reservation_id AS booking_id,
    listing_id AS property_id,
    type,
    message_sent_at AS last_host_message_at,
    message_received_at AS last_guest_message_at,
    has_unread_messages,
    updated_at AS changed_at,
    deleted_at,
    deleted_at IS NOT NULL AS is_deleted
FROM {{ source('hostaway', 'conversations') }}
