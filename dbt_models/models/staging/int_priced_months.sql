-- int_priced_months: the months of a property that have money, or a currency in which its nights are offered.
SELECT m.account_id, m.property_id, m.month, m.version
FROM {{ ref('int_listing_months') }} AS m
WHERE m.currency IS NOT NULL
    OR EXISTS (
        SELECT FROM {{ ref('int_listing_channel_months') }} AS c
        WHERE c.account_id = m.account_id AND c.property_id = m.property_id AND c.month = m.month
            AND c.channel IS NOT NULL
    )
