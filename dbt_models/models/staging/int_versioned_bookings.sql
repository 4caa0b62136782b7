-- int_versioned_bookings: whose changes tell that states of a booking may be others. Only its parents matter.
--
-- Whatever makes a version changes core.booking, too. The rows of accounts name no booking: all are compared then.
SELECT account_id, booking_id FROM {{ ref('booking') }}
UNION ALL
SELECT account_id, NULL FROM {{ ref('int_accounts') }}
