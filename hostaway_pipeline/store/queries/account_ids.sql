-- account_ids: all accounts, active or not.
SELECT account_id FROM hostaway.accounts
