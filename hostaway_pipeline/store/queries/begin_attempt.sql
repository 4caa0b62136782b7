-- begin_attempt: the fence: the caller who gets a row back may ask Hostaway to send this message, once; no other may.
--
-- The status and attempts that the caller saw must still be stored. Every attempt raises `attempts` for good, so of
-- many callers who saw the same values only one passes, even if locks or connections are lost. When the last attempt
-- ended unclearly, Hostaway may have sent the message or may still send it: another attempt must wait for the patience
-- to pass. `ids_before` are the messages that the conversation held before the first unclear attempt: later attempts
-- search for new messages since then.
UPDATE hostaway.outbound_messages
SET status = 'sending',
    attempts = attempts + 1,
    attempted_at = clock_timestamp(),
    ids_before = CASE WHEN status IN ('pending', 'failed') THEN %(ids_before)s::bigint[] ELSE ids_before END,
    claimed_until = NULL
WHERE id = %(id)s AND status = %(status)s AND attempts = %(attempts)s
  AND (status IN ('pending', 'failed')
       OR (status IN ('sending', 'unclear')
           AND attempted_at <= clock_timestamp() - %(patience)s * interval '1 second'))
RETURNING id
