{{ config(log_by=[['account_id', 'property_id']]) }}
-- property: a rental home with the days on which it is listed.
--
-- A day belongs to the property's own time zone. Where the source does not say when a property was first or last
-- listed, the days of its bookings stand in, and the row says so.
WITH parent AS (
    SELECT account_id, unit_id, min(property_id) AS property_id
    FROM {{ ref('stg_hostaway__listings') }}, unnest(unit_listing_ids) AS unit_id
    WHERE unit_id <> property_id AND NOT is_deleted
    GROUP BY account_id, unit_id
),
dated AS (
    SELECT
        l.*,
        (l.inserted_at AT TIME ZONE z.zone)::date AS inserted_on,
        least((l.first_seen_at AT TIME ZONE z.zone)::date, t.first_arrival) AS assumed_from,
        (l.deleted_at AT TIME ZONE z.zone)::date AS deleted_on,
        CASE WHEN l.is_archived THEN (l.archived_at AT TIME ZONE z.zone)::date END AS archived_on,
        CASE WHEN l.is_archived AND l.archived_at IS NULL
            THEN coalesce((l.latest_activity_at AT TIME ZONE z.zone)::date, t.last_sold_night)
        END AS assumed_to,
        p.property_id AS parent_property_id,
        EXISTS (
            SELECT FROM {{ ref('stg_hostaway__calendar_days') }} AS d
            WHERE d.account_id = l.account_id AND d.property_id = l.property_id
        ) AS has_calendar
    FROM {{ ref('stg_hostaway__listings') }} AS l
    CROSS JOIN LATERAL (SELECT coalesce(l.time_zone, 'UTC') AS zone) AS z
    CROSS JOIN LATERAL (
        SELECT min(b.arrival_date) AS first_arrival, max(b.departure_date) FILTER (WHERE b.state = 'sold') - 1 AS last_sold_night
        FROM {{ ref('int_taking_bookings') }} AS b
        WHERE b.account_id = l.account_id AND b.property_id = l.property_id
            -- Most properties need none of this, and reading their bookings would cost more than all the rest.
            AND (l.inserted_at IS NULL OR l.is_archived AND l.archived_at IS NULL)
    ) AS t
    LEFT JOIN parent AS p ON p.account_id = l.account_id AND p.unit_id = l.property_id
),
ranged AS (
    SELECT
        *,
        least(archived_on, assumed_to, deleted_on) AS last_on,
        -- Archived at first sight, and nothing tells since when: no day of it is known.
        is_archived AND archived_on IS NULL AND assumed_to IS NULL AS is_never_listed
    FROM dated
)
SELECT
    account_id,
    property_id,
    name,
    internal_name,
    city,
    country_code,
    time_zone,
    currency,
    coalesce(unit_count, 1)::integer AS units,
    capacity,
    bedrooms,
    bathrooms,
    room_type,
    parent_property_id,
    is_archived,
    CASE WHEN NOT is_never_listed THEN coalesce(inserted_on, assumed_from) END AS listed_from,
    CASE WHEN NOT is_never_listed THEN last_on END AS listed_to,
    CASE WHEN NOT is_never_listed
        THEN CASE WHEN inserted_on IS NOT NULL THEN 'observed' ELSE 'assumed' END
    END AS listed_from_source,
    CASE WHEN NOT is_never_listed AND last_on IS NOT NULL
        THEN CASE WHEN last_on IN (archived_on, deleted_on) THEN 'observed' ELSE 'assumed' END
    END AS listed_to_source,
    has_calendar,
    CASE WHEN has_calendar THEN 'calendar' ELSE 'assumed' END AS supply_source,
    changed_at
FROM ranged
