{#- core.as_of(day): the bookings as they were at the end of that day, UTC. A row that begins at midnight belongs to the
    day that begins.

    Postgres writes the function's query into that of its caller, so that other conditions use indexes; it must
    therefore stay one plain SELECT of the table's columns. It is replaced only if it has changed: each build comes by. -#}
{% macro create_as_of() %}
{%- set table = this.schema ~ '.' ~ this.identifier %}
DO $do$
DECLARE
    columns text := (
        SELECT string_agg(
            CASE attname
                WHEN 'is_reconstructed' THEN 'is_reconstructed AND seen_at >= (day + 1)::timestamp AT TIME ZONE ''UTC'''
                ELSE attname::text
            END, ', ' ORDER BY attnum
        )
        FROM pg_attribute WHERE attrelid = '{{ table }}'::regclass AND attnum > 0 AND NOT attisdropped
    );
    query text := 'SELECT ' || columns || $body$
        FROM {{ table }}
        WHERE valid_from < (day + 1)::timestamp AT TIME ZONE 'UTC'
            AND (valid_to IS NULL OR valid_to >= (day + 1)::timestamp AT TIME ZONE 'UTC')
    $body$;
BEGIN
    IF (SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure('{{ this.schema }}.as_of(date)')) IS DISTINCT FROM query THEN
        EXECUTE format(
            'CREATE OR REPLACE FUNCTION {{ this.schema }}.as_of(day date) RETURNS SETOF {{ table }}'
            ' LANGUAGE sql STABLE PARALLEL SAFE AS %L', query
        );
        COMMENT ON FUNCTION {{ this.schema }}.as_of IS
            'Bookings as they were at the end of a day, UTC: rows of booking_versions, at most one per booking. A row is_reconstructed if we did not see it on that day.';
    END IF;
END
$do$
{% endmacro %}
