-- purge_heads: deletes a batch of heads of objects that have had no event for long.
--
-- Heads that a receiver holds are about to become young. It locks several in their order: never wait for it here.
DELETE FROM hostaway.webhook_heads
WHERE (account_id, object, object_id) IN (
    SELECT account_id, object, object_id
    FROM hostaway.webhook_heads
    WHERE received_at < now() - %(age)s
    LIMIT %(batch)s
    FOR UPDATE SKIP LOCKED
)
