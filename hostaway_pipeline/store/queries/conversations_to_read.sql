-- conversations_to_read: conversations whose messages must be read, newest first: a crash leaves the old ones for
-- later.
--
-- A conversation must be read when its messages never were, when a marker differs from the one at its last complete
-- read, when a webhook brought a message that no read has confirmed, or, in a full sync, when its last read is older
-- than the sync. Edits of old messages may move no marker, so a daily share of the other conversations is reread, those
-- that were read longest ago first. The share is per day, however often this runs; conversations read within a day are
-- left out.
--
-- With `trusts_webhooks` (a refresh), a conversation that was read before waits for a reconcile if its markers are those
-- of the newest messages here: whatever brought these, a read would most likely only confirm them.
WITH alive AS (
    SELECT id, message_sent_at, message_received_at, messages_synced_at, messages_reread_at,
           messages_synced_at IS NULL
               OR messages_synced_at < %(read_before)s
               OR id IN (SELECT conversation_id FROM hostaway.messages
                         WHERE account_id = %(account_id)s AND unsettled_at IS NOT NULL AND deleted_at IS NULL)
               OR message_sent_at IS DISTINCT FROM messages_read_sent_at
               OR message_received_at IS DISTINCT FROM messages_read_received_at AS must_be_read
    FROM hostaway.conversations
    WHERE account_id = %(account_id)s AND deleted_at IS NULL
),
slice AS (
    SELECT id
    FROM alive
    WHERE must_be_read IS NOT TRUE AND messages_synced_at < now() - interval '1 day'
    ORDER BY messages_synced_at, id
    LIMIT (SELECT greatest(0, ceil(count(*) * %(reread_share)s)
                              - count(*) FILTER (WHERE messages_reread_at > now() - interval '1 day'))::bigint
           FROM alive)
)
SELECT id, message_sent_at, message_received_at, must_be_read IS NOT TRUE AS is_reread
FROM alive
WHERE id IN (SELECT id FROM slice)
   OR (must_be_read AND NOT (
           %(trusts_webhooks)s AND messages_synced_at IS NOT NULL AND EXISTS (
               SELECT FROM hostaway.messages
               WHERE account_id = %(account_id)s AND conversation_id = alive.id AND deleted_at IS NULL
               HAVING max(sent_at) FILTER (WHERE NOT is_incoming) IS NOT DISTINCT FROM message_sent_at
                  AND max(sent_at) FILTER (WHERE is_incoming) IS NOT DISTINCT FROM message_received_at
           )
      ))
ORDER BY is_reread, greatest(message_sent_at, message_received_at) DESC NULLS LAST, id
