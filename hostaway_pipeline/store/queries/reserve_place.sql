-- reserve_place: reserves a place for one more sweeper run, unless another schedule has just done so.
--
-- The reservation lasts until the run that it is for has appeared in Dagster, whose list of runs counts from then on.
INSERT INTO hostaway.sweeper_places AS place (place, reserved_until)
VALUES (%(place)s, clock_timestamp() + %(reserve)s)
ON CONFLICT (place) DO UPDATE SET reserved_until = excluded.reserved_until
WHERE place.reserved_until <= clock_timestamp()
RETURNING place
