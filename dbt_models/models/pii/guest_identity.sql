-- guest_identity: who a guest is, from the newest booking that tells.
SELECT
    account_id,
    guest_id,
    (array_agg(guest_name ORDER BY changed_at DESC, booking_id DESC) FILTER (WHERE guest_name IS NOT NULL))[1] AS name,
    (array_agg(guest_email ORDER BY changed_at DESC, booking_id DESC)
        FILTER (WHERE guest_email IS NOT NULL))[1] AS email,
    (array_agg(guest_phone ORDER BY changed_at DESC, booking_id DESC)
        FILTER (WHERE guest_phone IS NOT NULL))[1] AS phone,
    max(changed_at) AS changed_at
FROM {{ ref('stg_hostaway__reservations') }}
WHERE guest_id IS NOT NULL AND NOT is_deleted
GROUP BY account_id, guest_id
