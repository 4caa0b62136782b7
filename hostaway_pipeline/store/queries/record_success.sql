-- record_success: a sync has done the work of these modes: they are due again at the next points of their grids.
--
-- A request made after the sync had begun stays: its work may have come too late for that sync.
INSERT INTO hostaway.cadences AS cadence (account_id, mode, next_due_at, succeeded_at)
SELECT %(account_id)s, mode, due, %(as_of)s FROM unnest(%(modes)s::text[], %(due)s::timestamptz[]) AS done (mode, due)
ON CONFLICT (account_id, mode) DO UPDATE SET
    next_due_at = excluded.next_due_at,
    requested_at = CASE WHEN cadence.requested_at > excluded.succeeded_at THEN cadence.requested_at END,
    last_interval = excluded.succeeded_at - cadence.succeeded_at,
    succeeded_at = excluded.succeeded_at
