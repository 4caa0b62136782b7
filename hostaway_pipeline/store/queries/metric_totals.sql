-- metric_totals: every counter, added up over all processes that have flushed theirs.
--
-- The receiver shows these as its own /metrics: syncs and drainers end before anything could scrape them.
SELECT name, labels, value
FROM hostaway.metrics
