-- message_counts: how many messages Hostaway counted and how many live ones are here, over settled conversations.
--
-- A conversation is settled when no marker has moved since its messages were read completely. The other conversations
-- are read next time; until then a webhook may have brought some of their messages, and the two numbers may differ.
-- counted_otherwise.sql repeats this condition and names the conversations that differ.
SELECT coalesce(sum(conversation.messages_read_count), 0)::bigint AS counted,
       coalesce(sum((
           SELECT count(*)
           FROM hostaway.messages AS message
           WHERE message.account_id = conversation.account_id AND message.conversation_id = conversation.id
             AND message.deleted_at IS NULL
       )), 0)::bigint AS here
FROM hostaway.conversations AS conversation
WHERE conversation.account_id = %(account_id)s
  AND conversation.deleted_at IS NULL
  AND conversation.messages_synced_at IS NOT NULL
  AND conversation.message_sent_at IS NOT DISTINCT FROM conversation.messages_read_sent_at
  AND conversation.message_received_at IS NOT DISTINCT FROM conversation.messages_read_received_at
