-- silent_webhooks: the state of each active account's webhook, and whether it has been silent for too long.
--
-- A webhook is silent when a reservation has changed here more than `silent_after` after the newest event came, or
-- after the account was added if none came. Hostaway retries a delivery for about an hour, so no event comes as late as
-- that.
SELECT account.account_id, account.webhook_id, account.webhook_enabled, newest.heard_at,
       (SELECT max(reservation.updated_at)
        FROM hostaway.reservations AS reservation
        WHERE reservation.account_id = account.account_id) - newest.heard_at > %(silent_after)s AS is_silent
FROM hostaway.accounts AS account
CROSS JOIN LATERAL (
    SELECT coalesce(max(head.received_at), account.created_at) AS heard_at
    FROM hostaway.webhook_heads AS head
    WHERE head.account_id = account.account_id
) AS newest
WHERE account.is_active
ORDER BY account.account_id
