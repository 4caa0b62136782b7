{{ config(tags='nightly') }}
-- mart_data_quality: what is odd in an account's data, one row per rule that found something.
--
-- Nothing here stops a build. A rule says which numbers to doubt, and names rows to look at. Rules read all bookings and
-- days, so they are tried once a night, not in each build.
WITH booking AS NOT MATERIALIZED (SELECT * FROM {{ ref('booking') }}),
property AS (SELECT * FROM {{ ref('property') }}),
stay AS (
    SELECT s.*, p.property_id IS NULL AS has_no_property, p.listed_from, p.listed_to, p.currency AS property_currency
    FROM {{ ref('int_stays') }} AS s
    LEFT JOIN property AS p ON p.account_id = s.account_id AND p.property_id = s.property_id
),
listing AS (SELECT * FROM {{ ref('stg_hostaway__listings') }} WHERE NOT is_deleted)
{{ finding('unknown_status', 'booking_id', "booking WHERE state = 'unknown'") }}
UNION ALL
{{ finding('dates_unspecified', 'booking_id', "booking WHERE is_dates_unspecified") }}
UNION ALL
{{ finding('dates_missing_or_reversed', 'booking_id',
    "booking WHERE state IN ('sold', 'owner', 'hold') AND NOT is_dates_unspecified AND coalesce(nights, -1) < 0") }}
UNION ALL
{{ finding('stay_too_long', 'booking_id',
    "booking WHERE state IN ('sold', 'owner', 'hold') AND NOT is_dates_unspecified AND nights > 1100") }}
UNION ALL
{{ finding('rent_missing', 'booking_id', "booking WHERE state = 'sold' AND rent_source = 'missing'") }}
UNION ALL
{{ finding('no_base_rate', 'booking_id', "booking WHERE state = 'sold' AND rent_source = 'no_base_rate'") }}
UNION ALL
{{ finding('included_lines_do_not_sum', 'booking_id',
    "booking WHERE state = 'sold' AND abs(lines_total - coalesce(total_price, 0)) >= 0.005") }}
UNION ALL
{{ finding('negative_lead_time', 'booking_id', "booking WHERE state = 'sold' AND lead_days < 0") }}
UNION ALL
{{ finding('unknown_channel', 'booking_id', "booking WHERE channel = 'unknown'") }}
UNION ALL
{{ finding('unknown_currency', 'booking_id', "stay WHERE currency !~ '^[A-Z]{3}$' OR currency = 'XXX'") }}
UNION ALL
{{ finding('currency_differs_from_listing', 'booking_id', "stay WHERE state = 'sold' AND currency <> property_currency") }}
UNION ALL
{{ finding('booking_without_listing', 'booking_id', "stay WHERE has_no_property") }}
UNION ALL
{{ finding('night_not_listed', 'booking_id',
    "stay WHERE NOT has_no_property AND (listed_from IS NULL OR arrival_date < listed_from OR departure_date - 1 > listed_to)") }}
UNION ALL
{{ finding('child_of_multi_unit_listing', 'property_id', "property WHERE parent_property_id IS NOT NULL") }}
UNION ALL
{{ finding('listing_range_invalid', 'property_id', "property WHERE listed_from IS NULL OR listed_to < listed_from") }}
UNION ALL
{{ finding('supply_assumed', 'property_id', "property WHERE supply_source = 'assumed'") }}
UNION ALL
{{ finding('invalid_time_zone', 'property_id', "listing WHERE time_zone IS NULL") }}
UNION ALL
{{ finding('oversold_day', "property_id || ' ' || calendar_date",
    ref('fct_listing_calendar_daily') ~ " WHERE sold_units + owner_units + hold_units > units") }}
UNION ALL
{{ finding('occupancy_above_one', "property_id || ' ' || month", ref('kpi_listing_month') ~ " WHERE occupancy_with_owner > 1") }}
UNION ALL
{{ finding('unreadable_value', "entity || '.' || key", source('hostaway', 'payload_findings') ~ " WHERE finding = 'unreadable'") }}
UNION ALL
{{ finding('unknown_key', "entity || '.' || key", source('hostaway', 'payload_findings') ~ " WHERE finding = 'unknown'") }}
