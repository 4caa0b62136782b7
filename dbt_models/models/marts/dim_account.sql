-- dim_account: the accounts, for names in reports. Their secrets are in other columns, which are never read here.
SELECT account_id, coalesce(name, account_id::text) AS name, is_active FROM {{ source('hostaway', 'accounts') }}
