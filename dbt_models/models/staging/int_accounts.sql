{{ config(materialized='compared', contract={'enforced': true}) }}
-- int_accounts: the accounts that the copy has. That one is removed tells that deleted bookings of it are gone, too.
SELECT account_id FROM {{ source('hostaway', 'accounts') }}
