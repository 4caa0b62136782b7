{{ config(
    keys=['account_id', 'conversation_id'], version=['version'], compare_with='int_threads',
) }}
-- fct_guest_responses: each time that guests waited for the host: from their message to the first human reply.
--
-- A run is what stands between two human replies, so the replies before a message number its run. Automated messages
-- neither end a run nor count as a reply.
WITH sent AS (
    SELECT
        t.account_id,
        t.conversation_id,
        t.booking_id,
        t.property_id,
        t.time_zone,
        t.changed_at,
        t.version,
        m.message_id,
        m.sent_at,
        m.is_incoming,
        NOT m.is_incoming AND NOT m.is_automated AS is_reply,
        row_number() OVER thread AS place,
        count(*) FILTER (WHERE NOT m.is_incoming AND NOT m.is_automated)
            OVER (thread ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS run
    FROM {{ ref('int_threads') }} AS t
    JOIN {{ ref('message') }} AS m
        ON m.account_id = t.account_id AND m.conversation_id = t.conversation_id
    WHERE m.sent_at IS NOT NULL AND (m.is_incoming OR m.status = 'sent')
        AND {{ due('t.account_id', 't.conversation_id') }}
    WINDOW thread AS (PARTITION BY m.account_id, m.conversation_id ORDER BY m.sent_at, m.message_id)
),
waited AS (
    SELECT
        account_id,
        conversation_id,
        booking_id,
        property_id,
        time_zone,
        changed_at,
        version,
        (array_agg(message_id ORDER BY place) FILTER (WHERE is_incoming))[1] AS first_message_id,
        min(sent_at) FILTER (WHERE is_incoming) AS started_at,
        min(sent_at) FILTER (WHERE is_reply) AS replied_at,
        min(place) FILTER (WHERE is_incoming) AS first_place,
        max(place) FILTER (WHERE NOT is_incoming AND NOT is_reply) AS last_automated_place
    FROM sent
    GROUP BY account_id, conversation_id, booking_id, property_id, time_zone, changed_at, version, run
)
SELECT
    account_id,
    conversation_id,
    first_message_id,
    property_id,
    booking_id,
    started_at,
    (started_at AT TIME ZONE time_zone)::date AS started_on,
    replied_at,
    extract(epoch FROM replied_at - started_at)::numeric / 60 AS response_minutes,
    first_place = 1 AS is_new_thread,
    coalesce(last_automated_place > first_place, false) AS has_automated_reply,
    replied_at IS NULL AS is_open,
    coalesce(replied_at <= started_at + interval '24 hours', false) AS is_within_24h,
    changed_at,
    version
FROM waited
WHERE started_at IS NOT NULL
