-- removed_accounts: accounts that were removed long ago, which is the last thing that was changed about them.
SELECT account_id FROM hostaway.accounts WHERE NOT is_active AND updated_at < now() - %(age)s ORDER BY account_id
