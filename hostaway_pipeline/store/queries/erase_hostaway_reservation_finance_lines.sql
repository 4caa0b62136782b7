-- erase_hostaway_reservation_finance_lines: removes titles, which a host may have written for one guest.
UPDATE hostaway.reservation_finance_lines
SET title = NULL
WHERE account_id = %(account_id)s AND reservation_id = ANY(%(ids)s) AND title IS NOT NULL
