-- erase_pii_message_body: deletes the texts of these messages.
DELETE FROM pii.message_body WHERE account_id = %(account_id)s AND message_id = ANY(%(ids)s)
