-- inbox_state: how many events wait, are held or have failed, and how long the oldest has waited.
--
-- Each part asks for one status, so that it reads that status's partial index: settled events are the great majority.
-- `claimable` counts what claim_events.sql would claim, never tried or failed before: the two conditions must stay the
-- same. tests/integration/store/test_claimable_agrees.py compares them.
SELECT waiting.pending, failed.failed, waiting.claimable, waiting.claimed,
       extract(epoch FROM clock_timestamp() - oldest.received_at)::float8 AS oldest_pending_seconds, oldest.request_id
FROM (
    SELECT count(*) AS pending,
           count(*) FILTER (WHERE claimed_at IS NULL
                              AND (retry_at IS NULL OR retry_at <= clock_timestamp())) AS claimable,
           count(*) FILTER (WHERE claimed_at IS NOT NULL) AS claimed
    FROM hostaway.webhook_events
    WHERE status = 'pending'
) AS waiting
CROSS JOIN (SELECT count(*) AS failed FROM hostaway.webhook_events WHERE status = 'failed') AS failed
LEFT JOIN (
    SELECT received_at, request_id FROM hostaway.webhook_events WHERE status = 'pending' ORDER BY id LIMIT 1
) AS oldest ON TRUE
