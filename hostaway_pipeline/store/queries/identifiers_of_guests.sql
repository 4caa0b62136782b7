-- identifiers_of_guests: all identifiers of an account's guests.
SELECT kind, identifier FROM hostaway.guests WHERE account_id = %(account_id)s
