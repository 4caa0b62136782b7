{{ config(
    compare_with='int_versioned_bookings',
    limit_by=['account_id', 'booking_id'], log_by=[['account_id', 'property_id']],
    indexes=[{'columns': ['account_id', 'property_id']}],
    post_hook='{{ create_as_of() }}',
) }}
-- booking_versions: every state of a booking with the time in which it was in force. The newest one is core.booking.
--
-- A state ends when the next begins; a deletion ends the last one. The first begins when it was booked, but not after we
-- saw it. What we saw of a booking does not tell what it was before, unless its log does: such a row says that it is
-- reconstructed, and a booking that was cancelled before is taken for sold until then. A state whose lines are not kept has those of the next.
--
-- depends_on: {{ ref('int_versioned_bookings') }}
WITH superseded AS (
    SELECT
        account_id, booking_id, version_id, property_id, channel_id, channel_name, source_status, arrival_date,
        departure_date, is_dates_unspecified, unit_count, currency, total_price, channel_commission, reserved_at,
        inserted_at, cancelled_on, finance_lines, is_deleted, valid_from, valid_to, valid_to_source, seen_at,
        source, is_reconstructed
    FROM {{ ref('stg_hostaway__reservation_versions') }}
    WHERE {{ moved('account_id', 'booking_id') }}
    UNION ALL
    -- Deleted before versions were kept: the tombstone has the last state.
    SELECT
        r.account_id, r.booking_id, 0, r.property_id, r.channel_id, r.channel_name, r.source_status, r.arrival_date,
        r.departure_date, r.is_dates_unspecified, r.unit_count, r.currency, r.total_price, r.channel_commission,
        r.reserved_at, r.inserted_at, r.cancelled_on, NULL, false, NULL, r.deleted_at, 'seen', r.deleted_at,
        'copy', false
    FROM {{ ref('stg_hostaway__reservations') }} AS r
    WHERE r.is_deleted
        AND NOT EXISTS (
            SELECT FROM {{ ref('stg_hostaway__reservation_versions') }} AS v
            WHERE v.account_id = r.account_id AND v.booking_id = r.booking_id
        )
        AND {{ moved('r.account_id', 'r.booking_id') }}
),
state AS (
    SELECT
        v.account_id,
        v.booking_id,
        v.version_id,
        v.property_id,
        coalesce(c.channel, nullif(lower(v.channel_name), ''), 'unknown') AS channel,
        v.source_status,
        CASE WHEN v.source_status LIKE 'inquiry%' THEN 'inquiry' ELSE coalesce(s.state, 'unknown') END AS state,
        v.arrival_date,
        v.departure_date,
        v.is_dates_unspecified,
        coalesce(v.unit_count, 1)::integer AS units,
        v.currency,
        v.total_price,
        v.channel_commission,
        v.reserved_at,
        v.inserted_at,
        v.cancelled_on,
        v.finance_lines,
        v.is_deleted,
        v.valid_from AS told_from,
        v.valid_to,
        v.valid_to_source,
        v.seen_at AS ended_seen_at,
        v.source,
        v.is_reconstructed
    FROM superseded AS v
    LEFT JOIN {{ ref('channels') }} AS c ON c.channel_id = v.channel_id
    LEFT JOIN {{ ref('reservation_states') }} AS s ON s.status = v.source_status
    UNION ALL
    SELECT
        account_id, booking_id, NULL, property_id, channel, source_status, state, arrival_date, departure_date,
        is_dates_unspecified, units, currency, total_price, commission, booked_at, NULL, cancelled_on, NULL, false,
        NULL, NULL, NULL, NULL, 'present', false
    FROM {{ ref('booking') }}
    WHERE {{ moved('account_id', 'booking_id') }}
),
-- lines_no: 0 for the lines of the present, else it numbers the kept ones, the newest first.
chained AS MATERIALIZED (
    SELECT
        s.*,
        r.first_seen_at,
        r.finance_read_at,
        lag(s.valid_to) OVER history AS previous_to,
        lag(s.valid_to_source) OVER history AS previous_to_source,
        lag(s.ended_seen_at) OVER history AS previous_seen_at,
        lag(s.source) OVER history AS previous_source,
        -- A log may reach back to an enquiry that became a booking later.
        least(
            coalesce(s.reserved_at, s.inserted_at, r.inserted_at), r.first_seen_at,
            CASE WHEN s.source = 'hostaway_log' THEN s.told_from END
        ) AS booked_at,
        coalesce(t.outcome = 'whole', false) AS is_told,
        count(s.finance_lines) OVER (history ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS lines_no
    FROM state AS s
    JOIN {{ ref('stg_hostaway__reservations') }} AS r ON r.account_id = s.account_id AND r.booking_id = s.booking_id
    LEFT JOIN {{ ref('int_booking_trails') }} AS t ON t.account_id = s.account_id AND t.booking_id = s.booking_id
    WHERE {{ moved('r.account_id', 'r.booking_id') }}
    WINDOW history AS (PARTITION BY s.account_id, s.booking_id ORDER BY s.valid_to, s.version_id)
),
money AS (
    {{ booking_money('account_id, booking_id, lines_no', '(
        SELECT c.account_id, c.booking_id, c.lines_no, x.*
        FROM chained AS c,
            jsonb_to_recordset(c.finance_lines)
                AS x (name text, type text, total numeric, is_included boolean, is_deleted boolean)
        UNION ALL
        SELECT r.account_id, r.booking_id, 0, l.name, l.type, l.total, l.is_included, l.is_deleted
        FROM ' ~ ref('stg_hostaway__reservations') ~ ' AS r
        JOIN ' ~ ref('stg_hostaway__finance_lines') ~ ' AS l
            ON l.account_id = r.account_id AND l.booking_id = r.booking_id
        WHERE r.is_deleted AND ' ~ moved('r.account_id', 'r.booking_id') ~ '
    ) AS kept') }}
),
dated AS (
    SELECT
        *,
        coalesce(previous_to, booked_at) AS starts_at,
        CASE WHEN previous_to IS NULL AND NOT is_told AND state = 'cancelled' AND cancelled_on IS NOT NULL
            THEN least(cancelled_on::timestamp AT TIME ZONE 'UTC', first_seen_at, valid_to)
        END AS cancelled_at
    FROM chained
    WHERE NOT is_deleted
),
-- A first state that is cancelled has two parts.
part AS (
    SELECT
        d.*,
        p.is_sold,
        CASE WHEN p.is_sold THEN d.starts_at ELSE greatest(d.starts_at, d.cancelled_at) END AS valid_from,
        CASE WHEN p.is_sold THEN d.cancelled_at ELSE d.valid_to END AS ends_at
    FROM dated AS d
    JOIN (VALUES (true), (false)) AS p (is_sold) ON NOT p.is_sold OR d.cancelled_at > d.starts_at
)
SELECT
    p.account_id,
    p.booking_id,
    p.valid_from,
    p.ends_at AS valid_to,
    CASE
        WHEN p.source = 'hostaway_log' THEN p.ended_seen_at
        WHEN p.previous_source = 'copy' THEN p.previous_seen_at
        WHEN p.previous_to IS NULL AND p.told_from > p.starts_at THEN p.told_from
        ELSE p.first_seen_at
    END AS seen_at,
    CASE
        WHEN p.previous_to IS NOT NULL THEN p.previous_to_source
        WHEN p.valid_from > p.starts_at THEN 'hostaway'
        ELSE 'booked'
    END AS valid_from_source,
    p.source,
    p.is_reconstructed
        OR p.is_sold
        -- We did not see it at the end of some of its days.
        OR p.previous_to IS NULL AND p.valid_from = p.starts_at AND NOT p.is_told
            AND (p.first_seen_at AT TIME ZONE 'UTC')::date > (p.starts_at AT TIME ZONE 'UTC')::date
        -- The states before it are no longer kept.
        OR p.previous_to IS NULL AND coalesce(p.told_from > p.starts_at, false)
        AS is_reconstructed,
    p.property_id,
    p.channel,
    CASE WHEN NOT p.is_sold THEN p.source_status END AS source_status,
    CASE WHEN p.is_sold THEN 'sold' ELSE p.state END AS state,
    p.arrival_date,
    p.departure_date,
    p.is_dates_unspecified,
    CASE WHEN NOT p.is_dates_unspecified THEN p.departure_date - p.arrival_date END AS nights,
    p.units,
    p.currency,
    CASE WHEN p.lines_no = 0 AND b.booking_id IS NOT NULL THEN b.rent ELSE m.base_rate + coalesce(m.discount, 0) END AS rent,
    CASE
        WHEN p.lines_no = 0 AND b.booking_id IS NOT NULL THEN b.rent_source
        WHEN m.base_rate IS NOT NULL THEN 'finance_lines'
        WHEN m.booking_id IS NOT NULL THEN 'no_base_rate'
        WHEN p.lines_no = 0 AND p.finance_read_at IS NULL THEN 'missing'
        WHEN coalesce(p.total_price, 0) = 0 THEN 'no_price'
        ELSE 'no_base_rate'
    END AS rent_source,
    p.total_price,
    CASE
        WHEN p.lines_no = 0 AND b.commission_source = 'finance_lines' THEN b.commission
        ELSE coalesce(m.commission, p.channel_commission)
    END AS commission,
    p.cancelled_on
FROM part AS p
LEFT JOIN money AS m ON m.account_id = p.account_id AND m.booking_id = p.booking_id AND m.lines_no = p.lines_no
LEFT JOIN {{ ref('booking') }} AS b ON b.account_id = p.account_id AND b.booking_id = p.booking_id
WHERE p.ends_at IS NULL OR p.valid_from < p.ends_at
