{{ config(version=['changed_at'], indexes=[{'columns': ['account_id', 'conversation_id']}]) }}
-- message: a message of a conversation, without its text. Tombstones have no row.
SELECT
    account_id,
    message_id,
    conversation_id,
    booking_id,
    property_id,
    sent_at,
    is_incoming,
    is_automated,
    channel,
    status,
    changed_at
FROM {{ ref('stg_hostaway__messages') }}
WHERE NOT is_deleted
