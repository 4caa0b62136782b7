{{ config(version=['changed_at']) }}
-- message_body: the text of a message.
SELECT
    account_id,
    message_id,
    body,
    changed_at
FROM {{ ref('stg_hostaway__messages') }}
WHERE NOT is_deleted
