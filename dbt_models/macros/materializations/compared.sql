{#- compared: a table that keeps its identity and changes only the rows that differ from the source.

    config(keys=[…], version=[…], compare_with='…', represented_by='…', limit_by=[…], log_by=[[…]])
    * keys: columns that name a group of rows that is written together; by default the primary key.
    * version: columns that move whenever the group's content does. Without it all columns are compared: the model is
      evaluated whole, which suits small ones.
    * compare_with: a model that has the keys and versions of all groups that must be in the table; by default the
      model itself, of which Postgres then evaluates these columns only. Without `version`: a model whose changes stand
      for those of all that this one reads.
    * represented_by: a condition that holds for one row of each group. Only those are compared, by an index: without
      it, every row of a large fact is.
    * limit_by: columns that tell rows apart that have nothing to do with each other, such as those of two properties.
      Only groups of them in which a parent has changed are compared. The parent must say which: log_by.
    * log_by: lists of columns; a write to the table records which groups of them it has touched.

    Nothing is compared if no parent has changed: `changes.sql` says how that is known. A model that reads a source is
    always compared whole: a watermark would miss what disappears or is committed late. The table is never swapped nor
    truncated, since both wait for every reader and drop or block what analysts made. If the code changed, or with
    --full-refresh, all rows are deleted and inserted again, in one transaction. -#}
{% materialization compared, adapter='postgres' %}
    {%- set table = this.incorporate(type='table') -%}
    {%- set fingerprint = code_fingerprint(sql) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- do lock_table(table) -%}
    {%- set state = state_of(table) -%}
    {%- if prepare_table(table, state.columns) -%}
        {#- In a transaction of its own: a lock on the table must end before its rows are written. -#}
        {%- do adapter.commit() -%}
        {#- dbt sends COMMIT as a statement, of which psycopg2 knows nothing: it would not begin another transaction. -#}
        {%- do in_transaction('BEGIN') -%}
        {%- do lock_table(table) -%}
        {%- do state.update(state_of(table)) -%}
    {%- endif -%}
    {%- set work = work_to_do(state) -%}
    {%- if should_full_refresh() or state.fingerprint != fingerprint -%}
        {%- do get_assert_columns_equivalent(sql) -%}
        {%- do refill(table, sql, state) -%}
        {%- do describe_table(table, fingerprint) -%}
        {%- do save_progress(state) -%}
    {%- elif work.everything or work.changes -%}
        {%- do write_difference(table, sql, state, work) -%}
        {%- do save_progress(state) -%}
    {%- else -%}
        {%- call noop_statement('main', 'SKIPPED', 'SKIPPED', 0) -%} SELECT {%- endcall -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [table]}) }}
{% endmaterialization %}

{#- One writer at a time. Statements after this one see what the writer before has committed. They compare and sum a
    million rows in memory rather than on disk, and keep no results of joins for keys that never come again: Postgres
    expects repeated keys where columns depend on each other. -#}
{% macro lock_table(table) %}
    {%- do in_transaction("SELECT set_config('work_mem', '64MB', true), set_config('enable_memoize', 'off', true),"
        ~ " pg_advisory_xact_lock(hashtextextended('" ~ table ~ "', 0))") -%}
{% endmacro %}

{#- Delete all rows and insert what the model returns; readers see the old rows until the commit. -#}
{% macro refill(table, sql, state) %}
    {%- do in_transaction('DELETE FROM ' ~ table) -%}
    {%- set columns = model.columns.keys() | join(', ') -%}
    {%- call statement('main') -%}
        INSERT INTO {{ table }} ({{ columns }}) SELECT {{ columns }} FROM ({{ sql }}) AS model
    {%- endcall -%}
    {%- do in_transaction('ANALYZE ' ~ table) -%}
    {%- do log_many_changes(state) -%}
{% endmacro %}

{#- Find the groups whose (keys, version) is not the same on both sides, delete them, insert those that exist. -#}
{% macro write_difference(table, sql, state, work) %}
    {%- set columns = model.columns.keys() | list -%}
    {%- set keys = config.get('keys') or primary_key() -%}
    {%- set version = config.get('version') -%}
    {%- set key_list, column_list = keys | join(', '), columns | join(', ') -%}
    {%- set limit = none -%}
    {%- if not work.everything -%}
        {%- do create_moved(work.changes) -%}
        {%- set limit = config.get('limit_by') | join(', ') -%}
    {%- endif -%}
    {%- if version -%}
        {%- set rows = limited(sql, 'due', key_list) -%}
        {%- set wanted = ref(config.get('compare_with')) if config.get('compare_with') else '(' ~ sql ~ ')' -%}
    {%- else -%}
        {%- do in_transaction('CREATE TEMP TABLE fresh ON COMMIT DROP AS SELECT ' ~ column_list ~ ' FROM ('
            ~ (limited(sql, 'moved', limit) if limit else sql) ~ ') AS model') -%}
        {%- set version = columns | reject('in', keys) | list -%}
        {%- set rows, wanted = limited('SELECT * FROM pg_temp.fresh', 'due', key_list), 'pg_temp.fresh' -%}
    {%- endif -%}
    {%- set in_limit = '(' ~ limit ~ ') IN (SELECT ' ~ limit ~ ' FROM pg_temp.moved)' if limit else 'true' -%}
    {#- One hash join of both sides. Several versions of a group on one side are due as well: one of them differs. -#}
    {%- call statement('due') -%}
        CREATE TEMP TABLE due ON COMMIT DROP AS
        SELECT DISTINCT {{ key_list }}
        FROM (
            SELECT {{ (keys + version) | join(', ') }}, true AS is_wanted FROM {{ wanted }} AS source WHERE {{ in_limit }}
        ) AS wanted
        FULL JOIN (
            SELECT {{ (keys + version) | join(', ') }}, true AS is_present
            FROM {{ table }}
            WHERE {{ config.get('represented_by') or 'true' }} AND {{ in_limit }}
        ) AS present USING ({{ key_list }})
        WHERE is_wanted IS NULL OR is_present IS NULL
            {%- for column in version %} OR wanted.{{ column }} IS DISTINCT FROM present.{{ column }} {%- endfor %}
    {%- endcall -%}
    {%- set due = load_result('due').response.rows_affected -%}
    {%- if due == 0 -%}
        {%- call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) -%} SELECT {%- endcall -%}
    {%- else -%}
        {#- Without statistics Postgres would plan for thousands of keys. -#}
        {%- do in_transaction('ANALYZE pg_temp.due') -%}
        {%- set is_due = '(' ~ key_list ~ ') IN (SELECT ' ~ key_list ~ ' FROM pg_temp.due)' -%}
        {%- if due < 10000 -%} {%- do log_changes(table, state, is_due) -%} {%- endif -%}
        {%- do in_transaction('DELETE FROM ' ~ table ~ ' WHERE ' ~ is_due) -%}
        {%- call statement('main') -%}
            INSERT INTO {{ table }} ({{ column_list }}) SELECT {{ column_list }} FROM ({{ rows }}) AS due_rows
        {%- endcall -%}
        {%- do log_changes(table, state, is_due) if due < 10000 else log_many_changes(state) -%}
    {%- endif -%}
{% endmacro %}

{#- The columns of the contract's primary key. -#}
{% macro primary_key() %}
    {%- for constraint in model.constraints if constraint.type == 'primary_key' -%}
        {{ return(constraint.columns) }}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error(model.name ~ ': a compared table needs a primary key in its contract') -%}
{% endmacro %}
