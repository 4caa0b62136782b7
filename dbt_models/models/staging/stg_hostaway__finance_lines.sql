-- stg_hostaway__finance_lines: the lines of a reservation's price, as it stands in the copy.
SELECT
    account_id,
    reservation_id AS booking_id,
    line_no,
    source_id,
    name,
    title,
    type,
    total,
    is_included,
    is_deleted
FROM {{ source('hostaway', 'reservation_finance_lines') }}
