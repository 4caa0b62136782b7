-- claim_events: claims the oldest events that may be worked on. Only the holder of the drainer lock runs this.
--
-- A claim does not expire: while the lock is held nobody else drains, and its next holder releases what is still
-- claimed. So an event that waits for a read is claimed only once. `begun_at` marks the events in work, so that an
-- event that kills the process is known. Events that have failed before are claimed one at a time (`has_failed`), so
-- that no other event is blamed for them. Rows that another transaction has locked are skipped.
--
-- inbox_state.sql counts as `claimable` what this claims: change the two conditions together.
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
