-- purge_failed_events: deletes a batch of old events that failed and that nobody has replayed.
DELETE FROM hostaway.webhook_events
WHERE id IN (
    SELECT id
    FROM hostaway.webhook_events
    WHERE received_at < now() - %(age)s AND status = 'failed'
    ORDER BY received_at
    LIMIT %(batch)s
)
