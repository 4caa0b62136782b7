-- inbox_state: how many events wait, are held or have failed, and how long the oldest has waited.
--
-- `claimable` counts what claim_events.sql would claim, never tried or failed before: the two conditions must stay the
-- same. tests/integration/store/test_claimable_agrees.py compares them.
SELECT counts.pending, counts.failed, counts.claimable, counts.claimed,
       extract(epoch FROM clock_timestamp() - oldest.received_at)::float8 AS oldest_pending_seconds, oldest.request_id
FROM (
    SELECT count(*) FILTER (WHERE status = 'pending') AS pending,
           count(*) FILTER (WHERE status = 'failed') AS failed,
           count(*) FILTER (WHERE status = 'pending'
                              AND claimed_at IS NULL
                              AND (retry_at IS NULL OR retry_at <= clock_timestamp())) AS claimable,
           count(*) FILTER (WHERE status = 'pending' AND claimed_at IS NOT NULL) AS claimed
    FROM hostaway.webhook_events
    WHERE status IN ('pending', 'failed')
) AS counts
LEFT JOIN (
    SELECT received_at, request_id FROM hostaway.webhook_events WHERE status = 'pending' ORDER BY id LIMIT 1
) AS oldest ON TRUE
