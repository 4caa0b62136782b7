{#- compared: a table that keeps its identity and changes only the rows that differ from the source.

    config(keys=[…], version=[…], compare_with='…', represented_by='…')
    * keys: columns that name a group of rows that is written together; by default the primary key.
    * version: columns that move whenever the group's content does. Without it all columns are compared: the model is
      evaluated whole in each run, which suits small ones.
    * compare_with: a model that has the keys and versions of all groups that must be in the table; by default the
      model itself, of which Postgres then evaluates these columns only.

    * represented_by: a condition that holds for one row of each group. Only those are compared, by an index: without
      it, every row of a large fact is.

    A watermark would miss what disappears or is committed late. The table is never swapped nor truncated, since both
    wait for every reader and drop or block what analysts made. If the code changed, or with --full-refresh, all rows
    are deleted and inserted again, in one transaction. -#}
{% materialization compared, adapter='postgres' %}
    {%- set table = this.incorporate(type='table') -%}
    {%- set fingerprint = code_fingerprint(sql) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {%- do get_assert_columns_equivalent(sql) -%}
    {#- In a transaction of its own: a lock on the table must end before its rows are written. -#}
    {%- do prepare_table(table) -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {#- dbt sends COMMIT as a statement, of which psycopg2 knows nothing: it would not begin another transaction. -#}
    {%- do in_transaction('BEGIN') -%}
    {#- Comparing and summing a million rows in memory rather than on disk. -#}
    {%- do in_transaction("SET LOCAL work_mem = '64MB'") -%}
    {#- One writer at a time. Statements after this one see what the writer before has committed. -#}
    {%- do in_transaction("SELECT pg_advisory_xact_lock(hashtextextended('" ~ table ~ "', 0))") -%}
    {%- if should_full_refresh() or stored_fingerprint(table) != fingerprint -%}
        {%- do refill(table, sql) -%}
        {%- do describe_table(table, fingerprint) -%}
    {%- else -%}
        {%- do write_difference(table, sql) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [table]}) }}
{% endmaterialization %}

{#- Delete all rows and insert what the model returns; readers see the old rows until the commit. -#}
{% macro refill(table, sql) %}
    {%- do in_transaction('DELETE FROM ' ~ table) -%}
    {%- set columns = model.columns.keys() | join(', ') -%}
    {%- call statement('main') -%}
        INSERT INTO {{ table }} ({{ columns }}) SELECT {{ columns }} FROM ({{ sql }}) AS model
    {%- endcall -%}
    {%- do in_transaction('ANALYZE ' ~ table) -%}
{% endmacro %}

{#- Find the groups whose (keys, version) is not the same on both sides, delete them, insert those that exist. -#}
{% macro write_difference(table, sql) %}
    {%- set columns = model.columns.keys() | list -%}
    {%- set keys = config.get('keys') or primary_key() -%}
    {%- set version = config.get('version') -%}
    {%- set key_list, column_list = keys | join(', '), columns | join(', ') -%}
    {%- if version -%}
        {%- set rows = limited_to_due(sql, key_list, 'pg_temp.due') -%}
        {%- set wanted = ref(config.get('compare_with')) if config.get('compare_with') else '(' ~ sql ~ ')' -%}
    {%- else -%}
        {%- do in_transaction('CREATE TEMP TABLE fresh ON COMMIT DROP AS SELECT ' ~ column_list ~ ' FROM (' ~ sql ~ ') AS model') -%}
        {%- set version = columns | reject('in', keys) | list -%}
        {%- set rows, wanted = limited_to_due('SELECT * FROM pg_temp.fresh', key_list, 'pg_temp.due'), 'pg_temp.fresh' -%}
    {%- endif -%}
    {#- One hash join of both sides. Several versions of a group on one side are due as well: one of them differs. -#}
    {%- call statement('due') -%}
        CREATE TEMP TABLE due ON COMMIT DROP AS
        SELECT DISTINCT {{ key_list }}
        FROM (SELECT {{ (keys + version) | join(', ') }}, true AS is_wanted FROM {{ wanted }} AS source) AS wanted
        FULL JOIN (
            SELECT {{ (keys + version) | join(', ') }}, true AS is_present
            FROM {{ table }}
            WHERE {{ config.get('represented_by') or 'true' }}
        ) AS present USING ({{ key_list }})
        WHERE is_wanted IS NULL OR is_present IS NULL
            {%- for column in version %} OR wanted.{{ column }} IS DISTINCT FROM present.{{ column }} {%- endfor %}
    {%- endcall -%}
    {%- if load_result('due').response.rows_affected == 0 -%}
        {%- call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) -%} SELECT {%- endcall -%}
    {%- else -%}
        {#- Without statistics Postgres would plan for thousands of keys. -#}
        {%- do in_transaction('ANALYZE pg_temp.due') -%}
        {%- do in_transaction('DELETE FROM ' ~ table ~ ' WHERE (' ~ key_list ~ ') IN (SELECT ' ~ key_list ~ ' FROM pg_temp.due)') -%}
        {%- call statement('main') -%}
            INSERT INTO {{ table }} ({{ column_list }}) SELECT {{ column_list }} FROM ({{ rows }}) AS due_rows
        {%- endcall -%}
    {%- endif -%}
{% endmacro %}

{#- The columns of the contract's primary key. -#}
{% macro primary_key() %}
    {%- for constraint in model.constraints if constraint.type == 'primary_key' -%}
        {{ return(constraint.columns) }}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error(model.name ~ ': a compared table needs a primary key in its contract') -%}
{% endmacro %}
