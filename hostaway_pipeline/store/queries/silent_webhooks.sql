-- silent_webhooks: the state of each active account's webhook, and whether it has been silent for too long.
--
-- A webhook is silent when a reservation has changed here more than `silent_after` after the newest event came, or
-- after the account was added if none came. Hostaway retries a delivery for about an hour, so no event comes as late as
-- that. Both are the ends of indexes: reading all events and reservations would take seconds.
SELECT account.account_id, account.webhook_id, account.webhook_enabled, heard.at,
       (SELECT max(reservation.updated_at)
        FROM hostaway.reservations AS reservation
        WHERE reservation.account_id = account.account_id) - heard.at > %(silent_after)s AS is_silent
FROM hostaway.accounts AS account
CROSS JOIN LATERAL (
    SELECT coalesce(
        (SELECT event.received_at
         FROM hostaway.webhook_events AS event
         WHERE event.account_id = account.account_id
         ORDER BY event.id DESC
         LIMIT 1),
        account.created_at
    ) AS at
) AS heard
WHERE account.is_active
ORDER BY account.account_id
