-- record_sweep: keeps what the newest sweep of a list found, in place of the one before.
--
-- What an older sweep has proven stays proven until a complete pass proves more.
INSERT INTO hostaway.sweeps AS sweep (
    account_id, entity, started_at, finished_at, is_complete, server_count, seen_count, table_count, held_back, reason,
    orphan_count, known_until, proven_at
)
VALUES (
    %(account_id)s, %(entity)s, %(started_at)s, clock_timestamp(), %(is_complete)s, %(server_count)s, %(seen_count)s,
    %(table_count)s, %(held_back)s, %(reason)s, %(orphan_count)s, %(known_until)s, %(proven_at)s
)
ON CONFLICT (account_id, entity) DO UPDATE SET
    started_at = excluded.started_at,
    finished_at = excluded.finished_at,
    is_complete = excluded.is_complete,
    server_count = excluded.server_count,
    seen_count = excluded.seen_count,
    table_count = excluded.table_count,
    held_back = excluded.held_back,
    reason = excluded.reason,
    orphan_count = excluded.orphan_count,
    known_until = excluded.known_until,
    proven_at = coalesce(excluded.proven_at, sweep.proven_at)
