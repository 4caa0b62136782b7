-- report_accounts: the active accounts, or the one asked for, and of when the copy of each is; the oldest copy first.
SELECT
    a.account_id,
    coalesce(a.name, a.account_id::text) AS name,
    a.is_active,
    a.paused_until > now() AS is_paused,
    a.failures,
    c.refreshed_at,
    c.compared_at,
    c.calendar_at
FROM hostaway.accounts AS a
LEFT JOIN (
    SELECT
        account_id,
        max(succeeded_at) FILTER (WHERE mode IN ('refresh', 'reconcile', 'full')) AS refreshed_at,
        max(succeeded_at) FILTER (WHERE mode IN ('reconcile', 'full')) AS compared_at,
        max(succeeded_at) FILTER (WHERE mode = 'calendar') AS calendar_at
    FROM hostaway.cadences
    GROUP BY account_id
) AS c USING (account_id)
WHERE a.account_id = %(account_id)s OR %(account_id)s::bigint IS NULL AND a.is_active
ORDER BY c.refreshed_at NULLS FIRST, a.account_id
