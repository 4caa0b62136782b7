-- claim_events: the oldest events that may be worked on, for one drainer, for the time of a lease.
--
-- A claim that is not settled before its lease ends may be claimed again: so a drainer that dies loses nothing.
-- Events that another drainer is just claiming are passed over instead of waited for. `attempts` counts claims, so
-- that an event which kills whoever touches it is seen in the end.
WITH chosen AS (
    SELECT id
    FROM hostaway.webhook_events
    WHERE status = 'pending'
      AND (claimed_until IS NULL OR claimed_until <= clock_timestamp())
      AND (retry_at IS NULL OR retry_at <= clock_timestamp())
    ORDER BY id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE hostaway.webhook_events AS event
SET attempts = attempts + 1, claimed_until = clock_timestamp() + %(lease)s * interval '1 second'
FROM chosen
WHERE event.id = chosen.id
RETURNING event.id, event.account_id, event.event, event.object_id, event.payload::text AS payload, event.received_at,
          event.attempts, event.request_id
