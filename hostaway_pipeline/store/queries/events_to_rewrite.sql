-- events_to_rewrite: the payloads of some events.
SELECT id, event, payload::text
FROM hostaway.webhook_events
WHERE account_id = %(account_id)s AND id = ANY(%(ids)s)
ORDER BY id
FOR UPDATE
