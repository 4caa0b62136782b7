-- identities_of_conversations: what all conversations of an account tell of their guests.
SELECT id, jsonb_build_object(
    'id', id, 'reservationId', reservation_id, 'recipientEmail', raw_payload->'recipientEmail',
    'guestEmail', raw_payload->'guestEmail'
)
FROM hostaway.conversations
WHERE account_id = %(account_id)s
ORDER BY id
