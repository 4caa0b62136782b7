-- empty_outbound_messages: removes the texts of messages. Their keys stay, so that no message is sent again.
UPDATE hostaway.outbound_messages
SET body = '', error = NULL
WHERE account_id = %(account_id)s AND id = ANY(%(ids)s)
