-- conversations_to_read: whose messages must be read, newest first, so that a crash leaves the old ones for later.
--
-- A conversation is read when its messages never were, when a marker differs from the one at its last complete read,
-- or (full sync) when that read is older than the sync.
SELECT id, message_sent_at, message_received_at
FROM hostaway.conversations
WHERE account_id = %(account_id)s
  AND deleted_at IS NULL
  AND (messages_synced_at IS NULL
       OR messages_synced_at < %(read_before)s
       OR message_sent_at IS DISTINCT FROM messages_read_sent_at
       OR message_received_at IS DISTINCT FROM messages_read_received_at)
ORDER BY greatest(message_sent_at, message_received_at) DESC NULLS LAST, id
