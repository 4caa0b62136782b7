{{ config(tags='nightly', meta={'dagster': {'ref': {'name': 'booking_versions'}}}) }}
{%- set columns = ['property_id', 'channel', 'source_status', 'state', 'arrival_date', 'departure_date', 'nights', 'units',
    'currency', 'rent', 'rent_source', 'total_price', 'commission', 'cancelled_on'] %}
-- What is in force now is what core.booking says, and nothing else is.
SELECT account_id, booking_id
FROM (SELECT * FROM {{ ref('booking_versions') }} WHERE valid_to IS NULL) AS v
FULL JOIN {{ ref('booking') }} AS b USING (account_id, booking_id)
WHERE v.source IS NULL OR b.state IS NULL
    OR (v.{{ columns | join(', v.') }}) IS DISTINCT FROM (b.{{ columns | join(', b.') }})
