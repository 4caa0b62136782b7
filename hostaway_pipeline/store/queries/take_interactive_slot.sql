-- take_interactive_slot: the first moment at which one more request fits, ahead of background requests that wait.
--
-- Slots already given for later keep their times, so a moment fits only when no window around it would then hold more
-- than the limit. A block is a run of `limit` slots within one window: no slot may be added later than one window
-- before its last slot and earlier than one window after its first. So the moment is now, or the first end of a block's
-- closed time at which the next block's has not begun. Slots older than two windows are dropped.
INSERT INTO hostaway.rate_scopes AS scope (scope, slots, interactive_at, interactive_slot)
SELECT %(scope)s, ARRAY[now_at], now_at, now_at FROM clock_timestamp() AS now_at
ON CONFLICT (scope) DO UPDATE SET (slots, interactive_at, interactive_slot) = (
    WITH given AS MATERIALIZED (
        SELECT greatest(clock_timestamp(), scope.paused_until) AS earliest,
               least(%(limit)s, coalesce(scope.pace, %(limit)s)) AS allowed,
               %(window)s * interval '1 second' AS span
    ),
    runs AS (
        SELECT slot AS first, lead(slot, allowed - 1) OVER (ORDER BY slot) AS last, earliest, span
        FROM given, unnest(scope.slots) AS slot
    ),
    blocks AS (
        SELECT last - span AS closed_from, first + span AS closed_until, earliest FROM runs WHERE last < first + span
    ),
    openings AS (
        SELECT earliest AS opening
        FROM given
        WHERE NOT EXISTS (SELECT FROM blocks WHERE closed_from < given.earliest AND given.earliest < closed_until)
        UNION ALL
        SELECT closed_until
        FROM (
            SELECT closed_until, earliest, lead(closed_from) OVER (ORDER BY closed_until) AS next_closed_from FROM blocks
        ) AS closed
        WHERE closed_until >= earliest AND coalesce(next_closed_from >= closed_until, TRUE)
    ),
    chosen AS (
        SELECT min(opening) AS slot FROM openings
    )
    SELECT (SELECT array_agg(kept ORDER BY kept)
            FROM unnest(scope.slots || chosen.slot) AS kept
            WHERE kept > clock_timestamp() - %(window)s * interval '2 seconds'),
           clock_timestamp(), chosen.slot
    FROM chosen
)
RETURNING interactive_slot AS slot_at,
          extract(epoch FROM interactive_slot - clock_timestamp())::float8 AS wait_seconds
