-- write_days: stores one listing's days of a calendar, deletes those that are gone, and tells what changed.
--
-- A day is written only if its content differs, so `updated_at` moves with the content, and an unchanged calendar
-- writes nothing: an upsert alone would lock, and so rewrite, every row that it finds. `missing`: stored days of the
-- range that the answer lacks. All counts are of the rows before this statement; a dry run counts and writes nothing.
WITH answer AS (
    SELECT * FROM unnest(
        %(date)s::date[], %(is_available)s::boolean[], %(status)s::text[], %(price)s::numeric[],
        %(minimum_stay)s::bigint[], %(maximum_stay)s::bigint[], %(total_units)s::bigint[],
        %(available_units)s::bigint[], %(blocked_units)s::bigint[], %(pending_units)s::bigint[]
    ) AS day (
        date, is_available, status, price, minimum_stay, maximum_stay, total_units, available_units, blocked_units,
        pending_units
    )
),
stored AS (
    SELECT * FROM hostaway.calendar_days WHERE account_id = %(account_id)s AND listing_id = %(listing_id)s
      AND (date BETWEEN %(first)s AND %(last)s OR date = ANY(%(date)s::date[]))
),
changed AS (
    SELECT answer.*, stored.date IS NULL AS is_new
    FROM answer LEFT JOIN stored USING (date)
    WHERE stored.date IS NULL
       OR (stored.is_available, stored.status, stored.price, stored.minimum_stay, stored.maximum_stay,
           stored.total_units, stored.available_units, stored.blocked_units, stored.pending_units)
          IS DISTINCT FROM
          (answer.is_available, answer.status, answer.price, answer.minimum_stay, answer.maximum_stay,
           answer.total_units, answer.available_units, answer.blocked_units, answer.pending_units)
),
written AS (
    INSERT INTO hostaway.calendar_days (
        account_id, listing_id, date, is_available, status, price, minimum_stay, maximum_stay, total_units,
        available_units, blocked_units, pending_units, read_at
    )
    SELECT %(account_id)s, %(listing_id)s, date, is_available, status, price, minimum_stay, maximum_stay, total_units,
           available_units, blocked_units, pending_units, %(read_at)s
    FROM changed WHERE NOT %(dry_run)s
    ON CONFLICT (account_id, listing_id, date) DO UPDATE SET
        is_available = excluded.is_available, status = excluded.status, price = excluded.price,
        minimum_stay = excluded.minimum_stay, maximum_stay = excluded.maximum_stay,
        total_units = excluded.total_units, available_units = excluded.available_units,
        blocked_units = excluded.blocked_units, pending_units = excluded.pending_units,
        read_at = excluded.read_at, updated_at = now()
),
deleted AS (
    DELETE FROM hostaway.calendar_days AS day
    WHERE day.account_id = %(account_id)s AND day.listing_id = %(listing_id)s AND day.date = ANY(%(gone)s::date[])
      AND NOT %(dry_run)s
)
SELECT (SELECT count(*) FILTER (WHERE is_new) FROM changed),
       (SELECT count(*) FILTER (WHERE NOT is_new) FROM changed),
       (SELECT count(*) FROM stored WHERE date = ANY(%(gone)s::date[])),
       (SELECT count(*) FROM stored WHERE date BETWEEN %(first)s AND %(last)s),
       ARRAY(SELECT date FROM stored WHERE date BETWEEN %(first)s AND %(last)s AND date <> ALL(%(date)s::date[]))
