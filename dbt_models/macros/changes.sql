{#- What a build may leave out: rows whose parents have not changed.

    Each write to a compared table gets a number. Writers of one table exclude each other until they commit, so numbers
    are in the order of commits: a reader that has compared up to a number has seen all writes up to it. The sources
    have no such numbers; what reads them is compared whole in each build.

    `_changes` (model, groups, number): the newest write to a table, with groups {}; and for each group of rows in
    `log_by` the newest write that touched it, the group that a row has left included. A log's own groups {} stand for
    all of them.
    `_progress` (model, parent, number): up to which write to a parent a table has been compared. -#}
{% macro create_change_log() %}
{#- CREATE INDEX IF NOT EXISTS would wait for another build even if there is nothing to create. #}
CREATE SCHEMA IF NOT EXISTS {{ target.schema }};
DO $$
BEGIN
    IF to_regclass('{{ target.schema }}._progress') IS NULL THEN
        CREATE TABLE {{ target.schema }}._changes (
            model text, groups text[], number bigint NOT NULL, PRIMARY KEY (groups, model)
        );
        CREATE INDEX _changes_number ON {{ target.schema }}._changes (model, number);
        CREATE TABLE {{ target.schema }}._progress (
            model text, parent text, number bigint NOT NULL, PRIMARY KEY (model, parent)
        );
    END IF;
END
$$
{% endmacro %}

{#- What is known of a table before anything else is read: its columns and types as Postgres writes them, none if it does
    not exist; the fingerprint with which it was filled; the numbers of all tables' newest writes, and its own progress.
    The day is a parent like others. `number`: that of the next write. -#}
{% macro state_of(table) %}
    {%- set found = in_transaction("
        SELECT
            (
                SELECT json_object_agg(attname, format_type(atttypid, atttypmod))::text
                FROM pg_attribute
                WHERE attrelid = to_regclass('" ~ table ~ "') AND attnum > 0 AND NOT attisdropped
            ),
            obj_description(to_regclass('" ~ table ~ "'), 'pg_class'),
            (SELECT json_object_agg(model, number)::text FROM " ~ target.schema ~ "._changes WHERE groups = '{}'),
            (
                SELECT json_object_agg(parent, number)::text
                FROM " ~ target.schema ~ "._progress
                WHERE model = '" ~ table.schema ~ '.' ~ table.identifier ~ "'
            ),
            ((now() AT TIME ZONE 'UTC')::date - date '2000-01-01')::text
    ").rows[0] -%}
    {%- set state = {'name': table.schema ~ '.' ~ table.identifier, 'columns': fromjson(found[0]) if found[0] else none} -%}
    {%- set numbers = fromjson(found[2]) if found[2] else {} -%}
    {%- do state.update({
        'fingerprint': found[1].split('\n')[-1] if found[1] else none,
        'number': numbers.get(state.name, 0) + 1,
        'numbers': dict(numbers, day=found[4] | int),
        'progress': fromjson(found[3]) if found[3] else {},
    }) -%}
    {{ return(state) }}
{% endmacro %}

{#- What must be compared: {everything: true}, or in `changes` a condition on the rows of `_changes` that concern this
    table; it is empty if nothing has changed.

    Once a day everything: models may depend on the date, and a table that somebody changed by hand is put right. -#}
{% macro work_to_do(state) %}
    {%- set whole, changes = [], [] -%}
    {%- for parent in compared_parents() + ['day'] -%}
        {%- set done, newest, log = state.progress.get(parent), state.numbers.get(parent, 0), log_of(parent) -%}
        {%- if done is none or parent == 'source' -%}
            {%- do whole.append(parent) -%}
        {%- elif newest > done and state.numbers.get(log, newest) <= done -%}
            {%- do changes.append("model = '" ~ log ~ "' AND number > " ~ done) -%}
        {%- elif newest != done -%}
            {%- do whole.append(parent) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return({'everything': whole | length > 0, 'changes': changes | join(' OR ')}) }}
{% endmacro %}

{#- The compared tables that this one is made of, directly or through views; and `source` if a source is among them.
    What a table is compared with stands for all that it reads. -#}
{% macro compared_parents() %}
    {%- set found = [] -%}
    {%- if config.get('compare_with') -%}
        {%- do add_parents(['model.' ~ project_name ~ '.' ~ config.get('compare_with')], found) -%}
    {%- else -%}
        {%- do add_parents(model.depends_on.nodes, found) -%}
    {%- endif -%}
    {{ return(found) }}
{% endmacro %}

{% macro add_parents(nodes, found) %}
    {%- for id in nodes -%}
        {%- if id.startswith('source.') -%}
            {%- do found.append('source') -%}
        {%- elif id.startswith('model.') and graph.nodes[id].config.materialized != 'compared' -%}
            {%- do add_parents(graph.nodes[id].depends_on.nodes, found) -%}
        {%- elif id.startswith('model.') -%}
            {%- do found.append(graph.nodes[id].schema ~ '.' ~ graph.nodes[id].name) -%}
        {%- endif -%}  {#- What a seed changes is part of the fingerprint. -#}
    {%- endfor -%}
{% endmacro %}

{#- The log of a parent that begins with the columns of `limit_by`; none: it keeps no such log. -#}
{% macro log_of(parent) %}
    {%- set wanted = config.get('limit_by', []) -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and parent == node.schema ~ '.' ~ node.name -%}
        {%- for columns in node.config.get('log_by', []) if wanted and columns[:wanted | length] == wanted -%}
            {{ return(log_name(parent, columns)) }}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(none) }}
{% endmacro %}

{% macro log_name(table, columns) -%}
    {{ return(table ~ ' by ' ~ columns | join(', ')) }}
{%- endmacro %}

{#- The groups of `limit_by` in which a parent has changed, in pg_temp.moved. -#}
{% macro create_moved(changes) %}
    {%- set columns = [] -%}
    {%- for name in config.get('limit_by') -%}
        {%- do columns.append('groups[' ~ loop.index ~ ']::' ~ model.columns[name].data_type ~ ' AS ' ~ name) -%}
    {%- endfor -%}
    {%- do in_transaction('CREATE TEMP TABLE moved ON COMMIT DROP AS SELECT DISTINCT ' ~ columns | join(', ')
        ~ ' FROM ' ~ target.schema ~ '._changes WHERE ' ~ changes) -%}
    {%- do in_transaction('ANALYZE pg_temp.moved') -%}
{% endmacro %}

{#- Number a write, and log the groups of the rows that satisfy `condition`. Called before rows go and after rows come. -#}
{% macro log_changes(table, state, condition) %}
    {%- call statement('log_changes') -%}
        INSERT INTO {{ target.schema }}._changes (model, groups, number)
        SELECT '{{ state.name }}', '{}'::text[], {{ state.number }}
        {%- for columns in config.get('log_by', []) %}
        UNION ALL
        SELECT DISTINCT
            '{{ log_name(state.name, columns) }}', ARRAY[{{ columns | join('::text, ') }}::text], {{ state.number }}
        FROM {{ table }}
        WHERE {{ condition }} AND {{ columns | join(' IS NOT NULL AND ') }} IS NOT NULL
        {%- endfor %}
        ON CONFLICT (groups, model) DO UPDATE SET number = EXCLUDED.number
    {%- endcall -%}
{% endmacro %}

{#- Number a write of all rows, or of so many that a log of their groups would save nothing. -#}
{% macro log_many_changes(state) %}
    {%- set names = [state.name] -%}
    {%- for columns in config.get('log_by', []) -%} {%- do names.append(log_name(state.name, columns)) -%} {%- endfor -%}
    {%- do in_transaction("DELETE FROM " ~ target.schema ~ "._changes WHERE model IN ('" ~ names | join("', '") ~ "')") -%}
    {%- call statement('log_many_changes') -%}
        INSERT INTO {{ target.schema }}._changes (model, groups, number)
        SELECT unnest(ARRAY['{{ names | join("', '") }}']), '{}', {{ state.number }}
    {%- endcall -%}
{% endmacro %}

{#- Remember up to which writes to its parents this table has now been compared. The numbers were read before the rows,
    so that a write in between is compared once more, not never. -#}
{% macro save_progress(state) %}
    {%- set rows = [] -%}
    {%- for parent in compared_parents() + ['day'] if parent != 'source' -%}
        {%- do rows.append("('" ~ state.name ~ "', '" ~ parent ~ "', " ~ state.numbers.get(parent, 0) ~ ")") -%}
    {%- endfor -%}
    {%- call statement('save_progress') -%}
        INSERT INTO {{ target.schema }}._progress (model, parent, number) VALUES {{ rows | unique | join(', ') }}
        ON CONFLICT (model, parent) DO UPDATE SET number = EXCLUDED.number
    {%- endcall -%}
{% endmacro %}
