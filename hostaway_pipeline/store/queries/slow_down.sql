-- slow_down: after a 429 nobody sends before the time that the server named, in any process, and the pace falls.
--
-- A refused request that was the k-th of its window tells that fewer than k are allowed: that is the new pace, but
-- never below what Hostaway once published. Requests that were sent before the pace fell last say nothing new. Which
-- of the two limits was hit does not show in the answer: the scope that was nearer to its limit is the one, both when
-- both were. A pause without a named time is one window: by then every request that was counted has left it.
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
