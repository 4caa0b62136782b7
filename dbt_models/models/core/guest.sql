{{ config(limit_by=['account_id', 'guest_id']) }}
-- guest: a person who books, without anything that tells who it is; pii.guest_identity does.
SELECT
    account_id,
    guest_id,
    (array_agg(guest_country ORDER BY changed_at DESC, booking_id DESC)
        FILTER (WHERE guest_country IS NOT NULL))[1] AS country,
    min(arrival_date) FILTER (WHERE is_stay) AS first_stay_on,
    max(arrival_date) FILTER (WHERE is_stay) AS last_stay_on,
    (count(*) FILTER (WHERE is_stay))::integer AS stays,
    coalesce(sum(nights) FILTER (WHERE is_stay), 0)::integer AS nights,
    max(changed_at) AS changed_at
FROM (
    SELECT b.*, b.state = 'sold' AND {{ takes_nights('b') }} AS is_stay
    FROM {{ ref('booking') }} AS b
    WHERE b.guest_id IS NOT NULL AND {{ moved('b.account_id', 'b.guest_id') }}
) AS booking
GROUP BY account_id, guest_id
