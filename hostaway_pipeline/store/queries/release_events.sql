-- release_events: releases all claimed events: the leaving drainer does, or the one that follows a dead drainer.
--
-- Waiting is not an attempt. Only an event in work when its drainer died may have killed it: it counts one attempt, is
-- claimed alone from then on, and fails for good when drainers have died on it too often.
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
