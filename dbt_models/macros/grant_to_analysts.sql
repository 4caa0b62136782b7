{#- Let analysts read schemas that did not exist when their roles were made. Later tables follow from the default
    privileges; a schema that they may use already is left alone. -#}
{% macro grant_to_analysts() %}
DO $$
DECLARE
    schema_name name;
    reader name;
BEGIN
    FOR schema_name, reader IN
        SELECT nspname, rolname
        FROM pg_namespace
        JOIN pg_roles ON rolname = CASE nspname WHEN 'pii' THEN 'analyst_pii' ELSE 'analyst_read' END
        WHERE nspname IN ('core', 'marts', 'pii') AND NOT has_schema_privilege(rolname, pg_namespace.oid, 'USAGE')
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', schema_name, reader);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', schema_name, reader);
        EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO %I', schema_name, reader);
    END LOOP;
END
$$
{% endmacro %}
