-- recent_enquiries: conversations with a message of the last fortnight that no order of the reservations shows, since
-- they have no reservation, or one that is deleted or not known.
SELECT id
FROM hostaway.conversations AS conversation
WHERE account_id = %(account_id)s AND deleted_at IS NULL
  AND greatest(message_sent_at, message_received_at) > now() - interval '14 days'
  AND NOT EXISTS (
      SELECT FROM hostaway.reservations AS reservation
      WHERE reservation.account_id = conversation.account_id AND reservation.id = conversation.reservation_id
        AND reservation.deleted_at IS NULL
  )
ORDER BY id
