{#- Let analysts read schemas that did not exist when their role was made. Later tables follow from the default
    privileges; a schema that they may use already is left alone. -#}
{% macro grant_to_analysts() %}
DO $$
DECLARE
    schema_name name;
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'analyst_read') THEN
        FOR schema_name IN
            SELECT nspname FROM pg_namespace
            WHERE nspname IN ('core', 'marts') AND NOT has_schema_privilege('analyst_read', oid, 'USAGE')
        LOOP
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO analyst_read', schema_name);
            EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO analyst_read', schema_name);
            EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO analyst_read', schema_name);
        END LOOP;
    END IF;
END
$$
{% endmacro %}
