-- identities_of_events: what the events of an account that still have a payload tell of their guests.
SELECT id, event, jsonb_build_object(
    'id', object_id, 'reservationId', payload->'reservationId', 'conversationId', payload->'conversationId',
    'channelId', payload->'channelId', 'guestExternalAccountId', payload->'guestExternalAccountId',
    'guestEmail', payload->'guestEmail', 'phone', payload->'phone'
)
FROM hostaway.webhook_events
WHERE account_id = %(account_id)s AND object <> 'listing' AND payload <> '{}'
ORDER BY id
