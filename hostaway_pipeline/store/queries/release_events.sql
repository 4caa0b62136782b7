-- release_events: claimed events are given back, by the drainer that leaves or by the one that follows a dead one.
--
-- Waiting is no attempt. Only an event on which work had begun when its drainer died may have been the cause: it counts
-- one, is tried alone from now on, and is set aside when drainers have died on it too often.
UPDATE hostaway.webhook_events AS event
SET claimed_at = NULL,
    begun_at = NULL,
    attempts = event.attempts + blamed.attempt,
    status = CASE WHEN event.attempts + blamed.attempt >= %(most_attempts)s THEN 'failed' ELSE event.status END,
    error = CASE WHEN blamed.attempt = 1 THEN 'the process that worked on it ended' ELSE event.error END,
    applied_at = CASE WHEN event.attempts + blamed.attempt >= %(most_attempts)s THEN clock_timestamp() END
FROM (
    SELECT id, CASE WHEN %(has_died)s AND begun_at IS NOT NULL THEN 1 ELSE 0 END AS attempt
    FROM hostaway.webhook_events
    WHERE status = 'pending' AND claimed_at IS NOT NULL
    ORDER BY id
    FOR UPDATE
) AS blamed
WHERE event.id = blamed.id
