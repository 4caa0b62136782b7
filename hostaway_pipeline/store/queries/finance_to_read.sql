-- finance_to_read: reservations whose finance lines are not known, the latest stays first.
--
-- Of those that take nights or were cancelled: nobody reports money of the others. The partial index
-- reservations_finance_unread holds these only. One that could not be read waits for a day, so that those that always
-- fail do not take the turns of the others. One in doubt is read as a whole first.
SELECT id
FROM hostaway.reservations
WHERE account_id = %(account_id)s AND finance_read_at IS NULL AND deleted_at IS NULL
  AND status IN ('new', 'modified', 'ownerStay', 'awaitingPayment', 'awaitingGuestVerification', 'cancelled')
  AND unsettled_at IS NULL AND (finance_tried_at > now() - interval '1 day') IS NOT TRUE
ORDER BY arrival_date DESC NULLS LAST, id DESC
LIMIT %(most)s
