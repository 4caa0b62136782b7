-- columns_of: the columns of a table, in their order: name, type, and whether it is never null. None: no such table.
SELECT attname, format_type(atttypid, NULL), attnotnull
FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
