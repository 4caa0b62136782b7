-- counted_otherwise: settled conversations with more or fewer live messages than Hostaway counted, newest first.
--
-- message_counts.sql says what settled means. Hostaway may count messages that it does not return, such as scheduled
-- ones.
SELECT conversation.id, conversation.messages_read_count, count(message.id)
FROM hostaway.conversations AS conversation
LEFT JOIN hostaway.messages AS message
    ON message.account_id = conversation.account_id
    AND message.conversation_id = conversation.id
    AND message.deleted_at IS NULL
WHERE conversation.account_id = %(account_id)s
  AND conversation.deleted_at IS NULL
  AND conversation.messages_synced_at IS NOT NULL
  AND conversation.message_sent_at IS NOT DISTINCT FROM conversation.messages_read_sent_at
  AND conversation.message_received_at IS NOT DISTINCT FROM conversation.messages_read_received_at
GROUP BY conversation.account_id, conversation.id
HAVING count(message.id) <> conversation.messages_read_count
ORDER BY conversation.messages_synced_at DESC, conversation.id
LIMIT %(most)s
