-- add_counts: add the counts of one process to the totals.
--
-- One parameter whatever their number: a list of rows would be compiled anew each time, for a second of CPU time at
-- the end of a run. They come sorted, so that two processes wait for each other instead of deadlocking.
INSERT INTO hostaway.metrics AS total (name, labels, value)
SELECT name, ARRAY(SELECT jsonb_array_elements_text(labels)), value
FROM jsonb_to_recordset(%(counts)s::jsonb) AS counted (name text, labels jsonb, value double precision)
ON CONFLICT (name, labels) DO UPDATE SET value = total.value + excluded.value
