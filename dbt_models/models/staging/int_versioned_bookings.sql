-- int_versioned_bookings: whose changes tell that states of a booking may be others. Only its parents matter.
--
-- Whatever makes a version of what we see changes core.booking, too; those from a log come with its reading. The rows of accounts name no booking: all are compared then.
SELECT account_id, booking_id FROM {{ ref('booking') }}
UNION ALL
SELECT account_id, booking_id FROM {{ ref('int_booking_trails') }}
UNION ALL
SELECT account_id, NULL FROM {{ ref('int_accounts') }}
