-- conversations_of_guest: the accounts with a conversation of this address, which may belong to no reservation.
SELECT DISTINCT account_id
FROM hostaway.conversations
WHERE (account_id = %(account_id)s OR %(account_id)s::bigint IS NULL)
  AND %(email)s IN (lower(trim(raw_payload->>'recipientEmail')), lower(trim(raw_payload->>'guestEmail')))
