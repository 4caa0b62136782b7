-- movement: a digest that changes when rows of the given tables do, without reading them.
--
-- Postgres counts the rows that each table has inserted, updated and deleted. A session reports its counts after its
-- transaction has ended, so a transaction that commits late moves them late, unlike a watermark on updated_at; a
-- permanent deletion moves them, too. What moves them without need costs one build: a transaction that was rolled
-- back, a source time that advances alone, counts that a crash of the server has reset. The first two columns are
-- not about rows: models end 18 months from today, and accounts are updated by every sync.
SELECT md5(concat_ws(
    ' ',
    (now() AT TIME ZONE 'UTC')::date,
    (
        SELECT md5(string_agg(concat_ws(' ', account_id, is_active, name), ',' ORDER BY account_id))
        FROM hostaway.accounts
    ),
    (
        SELECT string_agg(concat_ws(
            ' ',
            relname,
            relid,
            pg_stat_get_tuples_inserted(relid),
            pg_stat_get_tuples_updated(relid),
            pg_stat_get_tuples_deleted(relid)
        ), ',' ORDER BY relname)
        FROM pg_stat_user_tables
        WHERE schemaname = 'hostaway' AND relname = ANY(%(tables)s)
    )
))
