-- dim_property: the properties, for filters and names in reports.
SELECT
    account_id,
    property_id,
    coalesce(internal_name, name, property_id::text) AS label,
    name,
    city,
    country_code,
    time_zone,
    currency,
    units,
    capacity,
    bedrooms,
    room_type,
    is_archived,
    listed_from,
    listed_to,
    supply_source
FROM {{ ref('property') }}
