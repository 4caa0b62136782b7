-- suppressed_guests: the erased guests of one account; usually none.
SELECT key_id, hash FROM hostaway.suppressed_guests WHERE account_id = %(account_id)s
