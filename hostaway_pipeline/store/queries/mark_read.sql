-- mark_read: records that the messages of these conversations were read completely.
--
-- The markers and the count stored are those from before the read: if one moves during it, the next sync reads again.
UPDATE hostaway.conversations AS conversation
SET messages_synced_at = %(synced_at)s,
    messages_reread_at = CASE WHEN read.is_reread THEN %(synced_at)s ELSE conversation.messages_reread_at END,
    messages_read_sent_at = read.sent_at,
    messages_read_received_at = read.received_at,
    messages_read_count = read.count
FROM unnest(%(ids)s::bigint[], %(sent_at)s::timestamptz[], %(received_at)s::timestamptz[], %(counts)s::int[],
            %(is_reread)s::boolean[]) AS read (id, sent_at, received_at, count, is_reread)
WHERE conversation.account_id = %(account_id)s AND conversation.id = read.id
