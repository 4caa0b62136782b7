-- share_address: after a 429, records which other egress names seem to stand for the IP address of this one.
--
-- Names of one address are refused in the same window, one of them well below its own limit, and what they had got
-- through adds up to one limit. Names with an address each get through one limit each: where the server's limit is lower
-- than ours, that adds up to less than ours, and once each has learned its pace, none is refused well below it.
--
-- Runs after slow_down.sql has committed, so that of two names that are refused at once the later one sees both.
UPDATE hostaway.rate_scopes AS scope
SET shared_with = others.names, shared_at = clock_timestamp()
FROM (
    SELECT array_agg(other.scope ORDER BY other.scope) FILTER (WHERE other.scope <> own.scope) AS names
    FROM hostaway.rate_scopes AS own
    JOIN hostaway.rate_scopes AS other
      ON other.scope LIKE 'ip:%%'
     AND other.refused_at > own.refused_at - %(window)s * interval '1 second'
     AND other.refused_at < own.refused_at + %(window)s * interval '1 second'
    WHERE own.scope = %(scope)s AND own.refused_at > clock_timestamp() - %(window)s * interval '1 second'
    HAVING count(*) > 1
       AND sum(other.refused_after) >= 0.8 * max(other.refused_limit)
       AND min(other.refused_after::float8 / other.refused_limit) <= 0.6
) AS others
WHERE scope.scope = %(scope)s
