-- finance_tried: records that the finance lines of these reservations could not be read by id.
UPDATE hostaway.reservations SET finance_tried_at = now()
WHERE account_id = %(account_id)s AND id = ANY(%(ids)s)
