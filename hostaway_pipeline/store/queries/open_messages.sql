-- open_messages: how many messages of the last day are neither known to be sent nor refused, by status.
--
-- Nothing sends them by itself, so older ones are those that their callers gave up. The condition on the status must be
-- that of the partial index outbound_messages_open.
SELECT status, count(*)
FROM hostaway.outbound_messages
WHERE status IN ('pending', 'sending', 'unclear') AND created_at > now() - interval '1 day'
GROUP BY status
