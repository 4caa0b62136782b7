-- webhook_logins: the credentials that these logins belong to, by two index scans, however many accounts there are.
--
-- A password that is being rotated out stays valid until `webhook_previous_until`. `place` is the column of the sealed
-- password, which is part of its authenticated data.
SELECT account_id, webhook_login AS login, 'webhook_password' AS place, webhook_password AS sealed
FROM hostaway.accounts
WHERE webhook_login = ANY (%(logins)s) AND is_active AND webhook_password IS NOT NULL
UNION ALL
SELECT account_id, webhook_previous_login, 'webhook_previous_password', webhook_previous_password
FROM hostaway.accounts
WHERE webhook_previous_login = ANY (%(logins)s) AND is_active AND webhook_login IS NOT NULL
  AND webhook_previous_password IS NOT NULL AND webhook_previous_until > now()
