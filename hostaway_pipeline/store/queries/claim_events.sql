-- claim_events: the oldest events that may be worked on, for the one drainer that lives.
--
-- A claim has no end of its own: the drainer's lock tells that nobody else drains, and whoever takes it next gives back
-- what is still claimed. So an event that waits is claimed once, however long it waits. What is claimed is worked on at
-- once (`begun_at`), so that it is known when a process dies of it; events that have failed are claimed one at a time, so
-- that no other shares the blame. Events that another transaction holds are passed over instead of waited for.
WITH chosen AS (
    SELECT id
    FROM hostaway.webhook_events
    WHERE status = 'pending'
      AND claimed_at IS NULL
      AND (retry_at IS NULL OR retry_at <= clock_timestamp())
      AND (attempts > 0) = %(has_failed)s
    ORDER BY id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE hostaway.webhook_events AS event
SET claimed_at = clock_timestamp(), begun_at = clock_timestamp()
FROM chosen
WHERE event.id = chosen.id
RETURNING event.id, event.account_id, event.event, event.object_id, event.payload::text AS payload, event.received_at,
          event.attempts, event.request_id
