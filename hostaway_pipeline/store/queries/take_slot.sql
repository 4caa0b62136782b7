-- take_slot: the next moment at which one more request of this scope may be sent.
--
-- One row per scope holds the newest permissions, oldest first. The next one is the later of now and the permission
-- `limit` places back plus the window, by the database's clock. The row lock of the upsert is the queue: callers are
-- served in the order in which they came, and nothing else need be locked.
INSERT INTO hostaway.rate_scopes AS scope (scope, slots)
VALUES (%(scope)s, ARRAY[clock_timestamp()])
ON CONFLICT (scope) DO UPDATE SET slots =
    scope.slots[greatest(1, cardinality(scope.slots) - %(limit)s + 2):] || greatest(
        clock_timestamp(),
        scope.paused_until,
        scope.slots[cardinality(scope.slots)],
        scope.slots[cardinality(scope.slots) - %(limit)s + 1] + %(window)s * interval '1 second'
    )
RETURNING slots[cardinality(slots)] AS slot_at,
          extract(epoch FROM slots[cardinality(slots)] - clock_timestamp())::float8 AS wait_seconds
