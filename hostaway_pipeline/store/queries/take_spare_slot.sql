-- take_spare_slot: one more request of this scope now, if its share of the limit is not used up; otherwise no row.
--
-- Unlike take_slot.sql it takes no moment to come, at which the requests of more urgent work would queue up behind it,
-- and none while other work waits for its own. So what takes spare slots delays nobody.
INSERT INTO hostaway.rate_scopes AS scope (scope, slots)
VALUES (%(scope)s, ARRAY[clock_timestamp()])
ON CONFLICT (scope) DO UPDATE SET
    slots = scope.slots[greatest(
        1,
        cardinality(scope.slots) - %(limit)s + 2,
        width_bucket(clock_timestamp() - %(window)s * interval '2 seconds', scope.slots) + 1
    ):] || clock_timestamp()
WHERE coalesce(scope.paused_until <= clock_timestamp(), TRUE)
  AND coalesce(scope.slots[cardinality(scope.slots)] <= clock_timestamp(), TRUE)
  AND coalesce(
      scope.slots[
          cardinality(scope.slots) + 1
          - greatest(1, floor(least(%(limit)s, coalesce(scope.pace, %(limit)s)) * %(share)s)::int)
      ] + %(window)s * interval '1 second' <= clock_timestamp(),
      TRUE
  )
RETURNING slots[cardinality(slots)] AS slot_at, 0.0::float8 AS wait_seconds
