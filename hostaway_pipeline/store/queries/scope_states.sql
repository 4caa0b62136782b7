-- scope_states: how much of each scope's limit the newest window has used, for people to read.
--
-- `allowed` is the learned pace where that is lower than the configured limit.
SELECT scope,
       (SELECT count(*) FROM unnest(slots) AS slot
        WHERE slot > clock_timestamp() - %(window)s * interval '1 second')::int AS used,
       least(%(limit)s, coalesce(pace, %(limit)s)) AS allowed,
       CASE WHEN paused_until > clock_timestamp() THEN paused_until END AS paused_until
FROM hostaway.rate_scopes
WHERE scope LIKE %(pattern)s
ORDER BY used DESC, scope
