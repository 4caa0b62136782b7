-- settle_events: what became of claimed events, in the transaction that changed the tables.
--
-- `again_in` set: the event stays pending and may be claimed after so many seconds; a cause outside of it (the API was
-- away) does not count as one of its attempts.
UPDATE hostaway.webhook_events AS event
SET status = outcome.status,
    error = outcome.error,
    attempts = event.attempts - CASE WHEN outcome.is_blameless THEN 1 ELSE 0 END,
    claimed_until = NULL,
    retry_at = clock_timestamp() + outcome.again_in * interval '1 second',
    applied_at = CASE WHEN outcome.status <> 'pending' THEN clock_timestamp() END
FROM unnest(%(ids)s::bigint[], %(statuses)s::text[], %(errors)s::text[], %(again_in)s::float8[],
            %(is_blameless)s::boolean[]) AS outcome (id, status, error, again_in, is_blameless)
WHERE event.id = outcome.id AND event.status = 'pending'
