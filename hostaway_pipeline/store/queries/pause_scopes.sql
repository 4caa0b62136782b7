-- pause_scopes: after a 429 nobody sends before the time that the server named, in any process.
--
-- Without a named time the pause is one window: then every request that was counted has left it.
INSERT INTO hostaway.rate_scopes AS scope (scope, slots, paused_until)
SELECT name, '{}', coalesce(%(until)s, clock_timestamp() + %(window)s * interval '1 second')
FROM unnest(%(scopes)s::text[]) AS name
ORDER BY name
ON CONFLICT (scope) DO UPDATE SET paused_until = greatest(scope.paused_until, excluded.paused_until)
