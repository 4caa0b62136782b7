-- stg_hostaway__listings: listings in the words of the analyst layer.
--
-- `time_zone` is null unless Postgres knows the zone: a wrong name would break every query that uses it.
SELECT
    l.account_id,
    l.id AS property_id,
    l.name,
    l.internal_name,
    l.city,
    l.country_code,
    z.name AS time_zone,
    l.currency,
    l.person_capacity AS capacity,
    l.bedrooms,
    l.bathrooms,
    l.room_type,
    l.unit_count,
    l.unit_listing_ids,
    l.special_status,
    coalesce(l.special_status = 'archived', false) AS is_archived,
    l.inserted_at,
    l.latest_activity_at,
    l.archived_at,
    l.created_at AS first_seen_at,
    l.updated_at AS changed_at,
    l.deleted_at,
    l.deleted_at IS NOT NULL AS is_deleted
FROM {{ source('hostaway', 'listings') }} AS l
LEFT JOIN {{ ref('int_time_zones') }} AS z ON z.name = l.time_zone
