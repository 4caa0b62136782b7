-- shared_addresses: egress names that were refused together within the last day, and when that was last.
--
-- share_address.sql records it. A name that nobody has used for an hour counts no more: the mistake has been corrected.
SELECT names, max(shared_at) AS shared_at
FROM hostaway.rate_scopes AS scope
CROSS JOIN LATERAL (
    SELECT array_agg(substr(name, 4) ORDER BY name) AS names, bool_and(EXISTS (
               SELECT FROM hostaway.rate_scopes AS used
               WHERE used.scope = name AND used.slots[cardinality(used.slots)] > now() - interval '1 hour'
           )) AS are_used
    FROM unnest(scope.shared_with || scope.scope) AS name
) AS involved
WHERE shared_at > now() - interval '1 day' AND are_used
GROUP BY names
ORDER BY names
