-- take_slot: the next moment at which one more background request of this scope may be sent.
--
-- Each scope is one row with its newest slots, oldest first. The next slot is the latest of now, the last slot, the end
-- of a pause, and one window after the slot `limit` places back, by the database's clock. The upsert's row lock is the
-- queue: callers are served in the order in which they came, and need no other lock.
--
-- The limit is the learned pace where there is one; after each quiet period it rises by a twentieth, up to the
-- configured limit. While interactive work goes on, `reserve` requests of the limit are kept free for it. `share` is the
-- part of the limit that a request of this kind may find used up. Slots older than two windows are dropped: where the
-- limit is high, each request would otherwise write thousands of them again.
INSERT INTO hostaway.rate_scopes AS scope (scope, slots)
VALUES (%(scope)s, ARRAY[clock_timestamp()])
ON CONFLICT (scope) DO UPDATE SET
    slots = scope.slots[greatest(
        1,
        cardinality(scope.slots) - %(limit)s + 2,
        width_bucket(clock_timestamp() - %(window)s * interval '2 seconds', scope.slots) + 1
    ):] || greatest(
        clock_timestamp(),
        scope.paused_until,
        scope.slots[cardinality(scope.slots)],
        scope.slots[
            cardinality(scope.slots) + 1
            - greatest(1, floor(least(%(limit)s, coalesce(scope.pace, %(limit)s)) * %(share)s)::int - CASE
                WHEN scope.interactive_at > clock_timestamp() - %(interactive_for)s * interval '1 second'
                THEN %(reserve)s ELSE 0
            END)
        ] + %(window)s * interval '1 second'
    ),
    pace = CASE
        WHEN scope.pace_changed_at < clock_timestamp() - %(quiet)s * interval '1 second'
        THEN nullif(least(%(limit)s, scope.pace + ceil(scope.pace * 0.05)::int), %(limit)s)
        ELSE scope.pace
    END,
    pace_changed_at = CASE
        WHEN scope.pace IS NOT NULL AND scope.pace_changed_at < clock_timestamp() - %(quiet)s * interval '1 second'
        THEN clock_timestamp()
        ELSE scope.pace_changed_at
    END
RETURNING slots[cardinality(slots)] AS slot_at,
          extract(epoch FROM slots[cardinality(slots)] - clock_timestamp())::float8 AS wait_seconds
