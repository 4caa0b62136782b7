-- purge_events: deletes a batch of old events with an outcome, the oldest first. Failed events stay for a person.
DELETE FROM hostaway.webhook_events
WHERE id IN (
    SELECT id
    FROM hostaway.webhook_events
    WHERE received_at < now() - %(age)s AND status IN ('applied', 'stale', 'ignored')
    ORDER BY received_at
    LIMIT %(batch)s
)
