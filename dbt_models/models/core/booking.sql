{{ config(
    version=['changed_at', 'guest_id', 'time_zone'],
    log_by=[['account_id', 'booking_id'], ['account_id', 'property_id'], ['account_id', 'guest_id']],
    indexes=[{'columns': ['account_id', 'property_id']}, {'columns': ['account_id', 'guest_id']}],
) }}
-- booking: a booking, owner stay, hold or enquiry with its state, dates and money. Tombstones have no row.
--
-- Rent is what the finance lines say, never the total, which has fees and taxes in it. A version also has what a
-- booking takes from elsewhere: the zone of its property, in which days are counted.
WITH property AS MATERIALIZED (
    -- One small join for each booking instead of two.
    SELECT account_id, property_id, coalesce(time_zone, 'UTC') AS time_zone FROM {{ ref('stg_hostaway__listings') }}
),
money AS (
    {{ booking_money('account_id, booking_id', ref('stg_hostaway__finance_lines'), due('account_id', 'booking_id')) }}
)
SELECT
    r.account_id,
    r.booking_id,
    r.property_id,
    r.channel_id,
    coalesce(c.channel, nullif(lower(r.channel_name), ''), 'unknown') AS channel,
    r.channel_booking_id,
    r.source_status,
    CASE WHEN r.source_status LIKE 'inquiry%' THEN 'inquiry' ELSE coalesce(s.state, 'unknown') END AS state,
    r.arrival_date,
    r.departure_date,
    CASE WHEN NOT r.is_dates_unspecified THEN r.departure_date - r.arrival_date END AS nights,
    coalesce(r.unit_count, 1)::integer AS units,
    r.is_dates_unspecified,
    r.guest_count,
    r.adults,
    r.children,
    r.infants,
    r.guest_id,
    r.guest_country,
    r.currency,
    r.total_price,
    m.base_rate + coalesce(m.discount, 0) AS rent,
    CASE
        WHEN m.base_rate IS NOT NULL THEN 'finance_lines'
        WHEN m.booking_id IS NOT NULL THEN 'no_base_rate'
        WHEN r.finance_read_at IS NULL THEN 'missing'
        WHEN coalesce(r.total_price, 0) = 0 THEN 'no_price'
        ELSE 'no_base_rate'
    END AS rent_source,
    m.fees,
    m.tax,
    m.lines_total,
    coalesce(m.commission, r.channel_commission) AS commission,
    CASE
        WHEN m.commission IS NOT NULL THEN 'finance_lines'
        WHEN r.channel_commission IS NOT NULL THEN 'reservation'
        ELSE 'none'
    END AS commission_source,
    r.total_price - coalesce(m.commission, r.channel_commission, 0) AS payout,
    r.reserved_at AS booked_at,
    (r.reserved_at AT TIME ZONE coalesce(p.time_zone, 'UTC'))::date AS booked_on,
    r.cancelled_on,
    r.cancelled_by,
    CASE WHEN NOT r.is_dates_unspecified
        THEN r.arrival_date - (r.reserved_at AT TIME ZONE coalesce(p.time_zone, 'UTC'))::date
    END AS lead_days,
    r.is_paid,
    r.payment_status,
    coalesce(p.time_zone, 'UTC') AS time_zone,
    r.changed_at
FROM {{ ref('stg_hostaway__reservations') }} AS r
LEFT JOIN property AS p ON p.account_id = r.account_id AND p.property_id = r.property_id
LEFT JOIN money AS m ON m.account_id = r.account_id AND m.booking_id = r.booking_id
LEFT JOIN {{ ref('channels') }} AS c ON c.channel_id = r.channel_id
LEFT JOIN {{ ref('reservation_states') }} AS s ON s.status = r.source_status
WHERE NOT r.is_deleted AND {{ due('r.account_id', 'r.booking_id') }}
