-- account_health: how many accounts are synced, paused after failures, and not proven complete within a night.
--
-- And the size of the database on disk, since whoever reads the one watches the other.
SELECT count(*) AS active,
       count(*) FILTER (WHERE paused_until > now()) AS paused,
       count(*) FILTER (WHERE coalesce(last_sync_at, created_at) < now() - %(stale_after)s) AS stale,
       pg_database_size(current_database()) AS database_bytes
FROM hostaway.accounts
WHERE is_active
