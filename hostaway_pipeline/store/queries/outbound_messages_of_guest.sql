-- outbound_messages_of_guest: what was sent through us to these reservations and conversations, as far as it has a text.
SELECT id
FROM hostaway.outbound_messages
WHERE account_id = %(account_id)s AND body <> ''
  AND (reservation_id = ANY(%(reservations)s::bigint[]) OR conversation_id = ANY(%(conversations)s::bigint[]))
ORDER BY id
