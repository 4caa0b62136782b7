{{ config(compare_with='booking', limit_by=['account_id', 'guest_id']) }}
-- guest_identity: who a guest is, from the newest booking that tells. A change of what a booking tells is one of the booking.
SELECT
    b.account_id,
    b.guest_id,
    (array_agg(r.guest_name ORDER BY r.changed_at DESC, r.booking_id DESC)
        FILTER (WHERE r.guest_name IS NOT NULL))[1] AS name,
    (array_agg(r.guest_email ORDER BY r.changed_at DESC, r.booking_id DESC)
        FILTER (WHERE r.guest_email IS NOT NULL))[1] AS email,
    (array_agg(r.guest_phone ORDER BY r.changed_at DESC, r.booking_id DESC)
        FILTER (WHERE r.guest_phone IS NOT NULL))[1] AS phone,
    max(r.changed_at) AS changed_at
FROM {{ ref('booking') }} AS b
JOIN {{ ref('stg_hostaway__reservations') }} AS r ON r.account_id = b.account_id AND r.booking_id = b.booking_id
WHERE b.guest_id IS NOT NULL AND {{ moved('b.account_id', 'b.guest_id') }}
GROUP BY b.account_id, b.guest_id
