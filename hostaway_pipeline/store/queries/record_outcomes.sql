-- record_outcomes: records what became of claimed events, in the transaction that changes the tables.
--
-- `is_attempt`: the event failed by its own fault. It is retried with exponential backoff, and fails for good after too
-- many attempts. `again_in`: it waits so many seconds for something else, which is not an attempt.
UPDATE hostaway.webhook_events AS event
SET status = CASE WHEN verdict.is_last THEN 'failed' ELSE outcome.status END,
    error = CASE WHEN verdict.is_last
                 THEN format('failed %%s times, the last time with %%s', event.attempts + 1, outcome.error)
                 ELSE outcome.error END,
    attempts = event.attempts + CASE WHEN outcome.is_attempt THEN 1 ELSE 0 END,
    claimed_at = NULL,
    begun_at = NULL,
    retry_at = clock_timestamp() + interval '1 second' * CASE
        WHEN outcome.is_attempt THEN least(%(longest_wait)s, %(first_wait)s * 2 ^ least(event.attempts, 10))
        ELSE outcome.again_in
    END,
    applied_at = CASE WHEN verdict.is_last OR outcome.status <> 'pending' THEN clock_timestamp() END
FROM unnest(%(ids)s::bigint[], %(statuses)s::text[], %(errors)s::text[], %(again_in)s::float8[],
            %(is_attempt)s::boolean[]) AS outcome (id, status, error, again_in, is_attempt)
JOIN hostaway.webhook_events AS stored ON stored.id = outcome.id
CROSS JOIN LATERAL (
    SELECT outcome.is_attempt AND stored.attempts + 1 >= %(most_attempts)s AS is_last
) AS verdict
WHERE event.id = outcome.id AND event.status = 'pending'
