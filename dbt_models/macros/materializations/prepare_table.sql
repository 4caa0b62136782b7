{#- Create the table, or bring its columns up to the contract. Returns whether it did anything. `present`: names and types
    of the columns; none: there is no table. -#}
{% macro prepare_table(table, present) %}
    {%- if present is none -%}
        {%- call statement('create_table') -%}
            CREATE TABLE {{ table }} {{ get_table_columns_and_constraints() }}
        {%- endcall -%}
        {{ return(true) }}
    {%- endif -%}
    {{ return(add_columns(table, present)) }}
{% endmacro %}

{#- Add the columns that the contract has and the table lacks. What cannot be done in place is an error: the way out
    drops what analysts made on the table, so a person must choose it. -#}
{% macro add_columns(table, present) %}
    {%- set wrong, added = [], [] -%}
    {%- for column in model.columns.values() -%}
        {%- if column.name not in present -%}
            {%- do added.append(column.name ~ ' ' ~ column.data_type) -%}
        {%- elif present[column.name] != wanted_type(column) -%}
            {%- do wrong.append(column.name ~ ' is ' ~ present[column.name] ~ ', not ' ~ wanted_type(column)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for column in present if column not in model.columns -%}
        {%- do wrong.append(column ~ ' is not in the contract') -%}
    {%- endfor -%}
    {%- if wrong -%}
        {%- do exceptions.raise_compiler_error(
            table ~ ' does not fit its contract: ' ~ wrong | join('; ') ~ '. Alter the table by hand, or drop it'
            ~ ' (DROP TABLE ' ~ table ~ ' names the views that depend on it), and run again.') -%}
    {%- endif -%}
    {%- if added -%}
        {#- Adding waits for open transactions, and new readers wait behind it: rather fail soon and be run again. -#}
        {%- do in_transaction("SET LOCAL lock_timeout = '500ms'") -%}
        {%- do in_transaction('ALTER TABLE ' ~ table ~ ' ADD COLUMN ' ~ added | join(', ADD COLUMN ')) -%}
    {%- endif -%}
    {{ return(added | length > 0) }}
{% endmacro %}

{#- Contracts write types as Postgres does, except for the usual short names. -#}
{% macro wanted_type(column) %}
    {%- set long = {'timestamptz': 'timestamp with time zone', 'int': 'integer', 'bool': 'boolean'} -%}
    {{ return(long.get(column.data_type, column.data_type)) }}
{% endmacro %}

{#- Store descriptions and the fingerprint as comments, and create the indexes that are missing. -#}
{% macro describe_table(table, fingerprint) %}
    {%- call statement('describe') -%}
        COMMENT ON TABLE {{ table }} IS {{ postgres_escape_comment(model.description ~ '\n' ~ fingerprint) }};
        {% for column in model.columns.values() -%}
        COMMENT ON COLUMN {{ table }}.{{ column.name }} IS {{ postgres_escape_comment(column.description) }};
        {% endfor -%}
        {% for index in config.get('indexes', default=[]) -%}
        CREATE INDEX IF NOT EXISTS {{ table.identifier }}_{{ index.columns | join('_') }}
            ON {{ table }} ({{ index.columns | join(', ') }});
        {% endfor -%}
        {% if config.get('represented_by') -%}
        CREATE INDEX IF NOT EXISTS {{ table.identifier }}_groups
            ON {{ table }} ({{ (config.get('limit_by', []) + config.require('keys') + config.require('version')) | unique | join(', ') }})
            WHERE {{ config.get('represented_by') }};
        {%- endif %}
    {%- endcall -%}
{% endmacro %}
