-- free_place: ends a reservation: Dagster's list of runs has the run by now, so that only the list counts.
UPDATE hostaway.sweeper_places SET reserved_until = clock_timestamp() WHERE place = %(place)s
