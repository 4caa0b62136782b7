-- all_suppressed_guests: the erased guests of all accounts.
SELECT account_id, kind, key_id, hash FROM hostaway.suppressed_guests
