-- begin_attempt: the fence. Whoever gets a row back may ask Hostaway to send this message, once; nobody else may.
--
-- What was seen when the decision fell (status and attempts) must still hold: an attempt of anybody else changes
-- `attempts` for good, so that of many who saw the same only one passes, whatever became of locks and connections.
-- A message whose last attempt ended unclearly may be at Hostaway already, or come there yet: it passes only when that
-- attempt is older than the patience. The ids are those that the conversation held before the first attempt whose end
-- is unclear: a later attempt looks for both.
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
