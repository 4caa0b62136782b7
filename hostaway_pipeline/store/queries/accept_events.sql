-- accept_events: stores a batch of deliveries as events, except those that repeat the newest event of their object.
--
-- The head of an object holds the fingerprint of its newest event and moves only when a delivery's fingerprint differs.
-- The upsert locks the head, so that only one receiver stores an event for each move; A, B, A again are three events. A
-- batch names no object twice. Deliveries for an account that was removed meanwhile are dropped by the join.
--
-- Those of accounts that have erased guests are withheld, unless `are_checked`; their positions are returned, from 1 on.
WITH arrived AS (
    SELECT delivery.*, position
    FROM jsonb_array_elements(%(deliveries)s::jsonb) WITH ORDINALITY AS element (value, position),
         jsonb_to_record(value) AS delivery (
             account_id bigint, event text, object text, object_id bigint, payload jsonb, fingerprint text,
             request_id text, status text, error text
         )
    JOIN hostaway.accounts AS account ON account.account_id = delivery.account_id AND account.is_active
),
withheld AS (
    SELECT position
    FROM arrived
    WHERE NOT %(are_checked)s
      AND EXISTS (SELECT FROM hostaway.suppressed_guests AS erased WHERE erased.account_id = arrived.account_id)
),
moved AS (
    INSERT INTO hostaway.webhook_heads AS head (account_id, object, object_id, fingerprint)
    SELECT account_id, object, object_id, decode(fingerprint, 'hex')
    FROM arrived
    WHERE object_id IS NOT NULL AND position NOT IN (SELECT * FROM withheld)
    ORDER BY account_id, object, object_id
    ON CONFLICT (account_id, object, object_id) DO UPDATE
        SET fingerprint = excluded.fingerprint, received_at = excluded.received_at
        WHERE head.fingerprint <> excluded.fingerprint
    RETURNING account_id, object, object_id
),
stored AS (
    INSERT INTO hostaway.webhook_events
        (account_id, event, object, object_id, payload, request_id, status, error, applied_at)
    SELECT account_id, event, object, object_id, coalesce(payload, 'null'), request_id, status, error,
           CASE WHEN status <> 'pending' THEN clock_timestamp() END
    FROM arrived
    WHERE (object_id IS NULL AND position NOT IN (SELECT * FROM withheld))
       OR (account_id, object, object_id) IN (SELECT * FROM moved)
    ORDER BY position
    RETURNING id
)
SELECT (SELECT count(*) FROM stored), (SELECT array_agg(position) FROM withheld)
