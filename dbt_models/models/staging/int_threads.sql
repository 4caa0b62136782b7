-- int_threads: conversations with a version that moves whenever a message of theirs, or the zone of their days, does.
SELECT
    c.account_id,
    c.conversation_id,
    c.booking_id,
    c.property_id,
    coalesce(p.time_zone, 'UTC') AS time_zone,
    greatest(c.changed_at, m.changed_at) AS changed_at,
    hash_record_extended(ROW(c.changed_at, m.version, p.time_zone), 0) AS version
FROM {{ ref('conversation') }} AS c
JOIN (
    SELECT
        account_id,
        conversation_id,
        bit_xor(hash_record_extended(ROW(message_id, changed_at), 0)) AS version,
        max(changed_at) AS changed_at,
        bool_or(is_incoming AND sent_at IS NOT NULL) AS has_guest
    FROM {{ ref('message') }}
    GROUP BY account_id, conversation_id
) AS m ON m.account_id = c.account_id AND m.conversation_id = c.conversation_id
LEFT JOIN {{ ref('property') }} AS p ON p.account_id = c.account_id AND p.property_id = c.property_id
WHERE m.has_guest
