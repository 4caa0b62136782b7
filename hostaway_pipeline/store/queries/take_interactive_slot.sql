-- take_interactive_slot: the first moment at which one more request fits, ahead of what waits in the background.
--
-- A moment fits when no window that contains it would hold more than the limit: neither the windows that begin at an
-- earlier permission nor the one that begins at the moment itself, permissions already given for later included.
-- Candidates are now and the moments at which an earlier permission leaves its window.
INSERT INTO hostaway.rate_scopes AS scope (scope, slots, interactive_at, interactive_slot)
SELECT %(scope)s, ARRAY[now_at], now_at, now_at FROM clock_timestamp() AS now_at
ON CONFLICT (scope) DO UPDATE SET (slots, interactive_at, interactive_slot) = (
    SELECT (SELECT array_agg(slot ORDER BY slot) FROM unnest(scope.slots || candidate) AS slot),
           clock_timestamp(), candidate
    FROM (
        SELECT greatest(clock_timestamp(), scope.paused_until) AS candidate
        UNION ALL
        SELECT slot + %(window)s * interval '1 second' FROM unnest(scope.slots) AS slot
    ) AS candidates
    WHERE candidate >= greatest(clock_timestamp(), scope.paused_until) - interval '1 millisecond'
      AND NOT EXISTS (
          SELECT FROM unnest(scope.slots || candidate) AS first
          WHERE first > candidate - %(window)s * interval '1 second' AND first <= candidate
            AND (SELECT count(*) FROM unnest(scope.slots) AS slot
                 WHERE slot >= first AND slot < first + %(window)s * interval '1 second')
                >= least(%(limit)s, coalesce(scope.pace, %(limit)s))
      )
    ORDER BY candidate
    LIMIT 1
)
RETURNING interactive_slot AS slot_at,
          extract(epoch FROM interactive_slot - clock_timestamp())::float8 AS wait_seconds
