{#- Conditions by which a model lets `compared` limit what it computes. Postgres carries a limit on the result through
    joins by itself, but not into an aggregate. Everywhere else (unit tests, a refill) they are true.

    due: the rows that must be written again. Columns: those that stand for the model's `keys`, in their order.
    moved: the rows that must be compared. Columns: those that stand for `limit_by`. A model with a `version` has no
    need of it, since only its keys and versions are compared. -#}
{% macro due() -%}
    true /*due: {{ varargs | join(', ') }} */
{%- endmacro %}

{#- The same for rows that know some of the `keys` only: `known` names them. -#}
{% macro due_for(known) -%}
    true /*due({{ known | join(', ') }}): {{ varargs | join(', ') }} */
{%- endmacro %}

{% macro moved() -%}
    true /*moved: {{ varargs | join(', ') }} */
{%- endmacro %}

{#- The SQL of a model, limited to the rows of pg_temp.due or pg_temp.moved. -#}
{% macro limited(sql, to, columns) -%}
    {%- set chosen = ' IN (SELECT ' ~ columns ~ ' FROM pg_temp.' ~ to ~ ')' -%}
    {%- set inside = modules.re.sub('true /\\*' ~ to ~ ': (.*?) \\*/', '(\\1)' ~ chosen, sql) -%}
    {%- set inside = modules.re.sub(
        'true /\\*' ~ to ~ '\\((.*?)\\): (.*?) \\*/', '(\\2) IN (SELECT \\1 FROM pg_temp.' ~ to ~ ')', inside) -%}
    SELECT * FROM ({{ inside }}) AS model WHERE ({{ columns }}) {{ chosen }}
{%- endmacro %}
