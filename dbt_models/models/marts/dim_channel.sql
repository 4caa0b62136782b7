-- dim_channel: the channels that bookings name, with the names that people know.
SELECT c.channel, coalesce(max(s.label), c.channel) AS label
FROM (
    SELECT channel FROM {{ ref('channels') }}
    UNION
    SELECT DISTINCT channel FROM {{ ref('booking') }}
) AS c
LEFT JOIN {{ ref('channels') }} AS s ON s.channel = c.channel
GROUP BY c.channel
