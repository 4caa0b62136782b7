-- slow_down: after a 429, pauses the scopes for all processes and lowers the pace that caused it.
--
-- A refused request that was the k-th of its window shows that fewer than k are allowed: k - 1 becomes the new pace,
-- but never less than Hostaway once published. Requests sent before the last change of the pace say nothing new. The
-- answer does not tell which of the two limits was exceeded: the scope that was nearer to its limit is blamed, or both
-- if they were about equally near. Without a time named by the server the pause is one window, in which all counted
-- requests leave.
-- What the scope had got through, of which limit, is kept: share_address.sql compares it with that of other egress names.
-- Requests of one window are refused out of their order: the fewest that got through count, and the limit before them.
WITH hit AS (
    SELECT name, floor_pace, configured,
           (SELECT count(*) FROM unnest(scope.slots) AS slot
            WHERE slot > %(sent_at)s - %(window)s * interval '1 second' AND slot <= %(sent_at)s)::int AS rank,
           least(configured, coalesce(scope.pace, configured)) AS current
    FROM unnest(%(scopes)s::text[], %(floors)s::int[], %(limits)s::int[]) AS asked (name, floor_pace, configured)
    JOIN hostaway.rate_scopes AS scope ON scope.scope = asked.name
),
judged AS (
    SELECT name, greatest(floor_pace, rank - 1) AS lower_pace, rank, current,
           rank::float8 / current >= 0.9 * max(rank::float8 / current) OVER () AS is_suspect
    FROM hit
),
verdict AS (
    SELECT judged.*, is_suspect AND lower_pace < current AS falls, is_suspect AND rank <= current AS is_telling
    FROM judged
)
UPDATE hostaway.rate_scopes AS scope
SET paused_until = greatest(
        scope.paused_until, coalesce(%(until)s, clock_timestamp() + %(window)s * interval '1 second')
    ),
    pace = CASE WHEN falls THEN lower_pace ELSE scope.pace END,
    pace_changed_at = CASE WHEN falls OR pace IS NOT NULL THEN clock_timestamp() ELSE scope.pace_changed_at END,
    refused_at = CASE WHEN is_telling THEN clock_timestamp() ELSE scope.refused_at END,
    refused_after = CASE WHEN is_telling THEN rank - 1 ELSE scope.refused_after END,
    refused_limit = CASE
        WHEN is_telling AND scope.refused_at > clock_timestamp() - %(window)s * interval '1 second'
        THEN greatest(scope.refused_limit, current)
        WHEN is_telling THEN current
        ELSE scope.refused_limit
    END
FROM verdict
WHERE scope.scope = verdict.name
