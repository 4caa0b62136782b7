-- message_counts: of one account's messages, how many Hostaway counted and how many are here, and how many are alone.
--
-- Hostaway's number is compared over settled conversations only: those of which no marker has moved since their
-- messages were read completely. The others are read next time; until then a webhook may have brought some of their
-- messages, and the two numbers may differ. counted_otherwise.sql repeats this condition and names the conversations
-- that differ. Messages are stored with or after their conversation and deleted with it: one that is left alone, an
-- orphan, shows a gap.
WITH thread AS (
    SELECT conversation_id, count(*) AS live
    FROM hostaway.messages
    WHERE account_id = %(account_id)s AND deleted_at IS NULL
    GROUP BY conversation_id
),
conversation AS (
    SELECT id,
           messages_read_count AS counted,
           messages_synced_at IS NOT NULL
               AND message_sent_at IS NOT DISTINCT FROM messages_read_sent_at
               AND message_received_at IS NOT DISTINCT FROM messages_read_received_at AS is_settled
    FROM hostaway.conversations
    WHERE account_id = %(account_id)s AND deleted_at IS NULL
)
SELECT coalesce(sum(conversation.counted) FILTER (WHERE is_settled), 0)::bigint AS counted,
       coalesce(sum(thread.live) FILTER (WHERE is_settled), 0)::bigint AS here,
       coalesce(sum(thread.live), 0)::bigint AS live,
       coalesce(sum(thread.live) FILTER (WHERE conversation.id IS NULL), 0)::bigint AS orphans
FROM thread
FULL JOIN conversation ON conversation.id = thread.conversation_id
