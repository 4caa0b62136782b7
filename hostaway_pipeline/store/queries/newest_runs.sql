-- newest_runs: how the newest sync of each account ended, or of one account.
SELECT account.account_id, run.status, run.error
FROM hostaway.accounts AS account
CROSS JOIN LATERAL (
    SELECT status, error
    FROM hostaway.sync_runs
    WHERE account_id = account.account_id
    ORDER BY id DESC
    LIMIT 1
) AS run
WHERE %(account_id)s::bigint IS NULL OR account.account_id = %(account_id)s
