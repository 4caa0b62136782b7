-- slow_down: after a 429, pauses the scopes for all processes and lowers the pace that caused it.
--
-- A refused request that was the k-th of its window shows that fewer than k are allowed: k - 1 becomes the new pace,
-- but never less than Hostaway once published. Requests sent before the last change of the pace say nothing new. The
-- answer does not tell which of the two limits was exceeded: the scope that was nearer to its limit is blamed, or both
-- if they were about equally near. Without a time named by the server the pause is one window, in which all counted
-- requests leave.
WITH hit AS (
    SELECT name, floor_pace, configured,
           (SELECT count(*) FROM unnest(scope.slots) AS slot
            WHERE slot > %(sent_at)s - %(window)s * interval '1 second' AND slot <= %(sent_at)s)::int AS rank,
           least(configured, coalesce(scope.pace, configured)) AS current
    FROM unnest(%(scopes)s::text[], %(floors)s::int[], %(limits)s::int[]) AS asked (name, floor_pace, configured)
    JOIN hostaway.rate_scopes AS scope ON scope.scope = asked.name
),
judged AS (
    SELECT name, greatest(floor_pace, rank - 1) AS lower_pace, current,
           rank::float8 / current >= 0.9 * max(rank::float8 / current) OVER () AS is_suspect
    FROM hit
)
UPDATE hostaway.rate_scopes AS scope
SET paused_until = greatest(
        scope.paused_until, coalesce(%(until)s, clock_timestamp() + %(window)s * interval '1 second')
    ),
    pace = CASE WHEN falls THEN lower_pace ELSE scope.pace END,
    pace_changed_at = CASE WHEN falls OR pace IS NOT NULL THEN clock_timestamp() ELSE scope.pace_changed_at END
FROM (
    SELECT judged.*, is_suspect AND lower_pace < current AS falls FROM judged
) AS verdict
WHERE scope.scope = verdict.name
