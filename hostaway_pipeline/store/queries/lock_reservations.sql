-- lock_reservations: what stored reservations tell of their guest and their finance lines, before they are merged.
--
-- Most changes concern neither, and then nothing has to be looked up or compared. The rows stay locked until they are
-- merged, so that no other transaction changes what is kept. They are locked in the order of their ids, as by every
-- merge, and before any guest is added.
SELECT id, substr(content_hash, 17), guest_id, channel_id, guest_external_id, guest_email, guest_phone
FROM hostaway.reservations
WHERE account_id = %(account_id)s AND id = ANY(%(ids)s)
ORDER BY id
FOR UPDATE
