-- messages_of_guest: the messages of these reservations and conversations.
SELECT id
FROM hostaway.messages
WHERE account_id = %(account_id)s
  AND (reservation_id = ANY(%(reservations)s::bigint[]) OR conversation_id = ANY(%(conversations)s::bigint[]))
ORDER BY id
