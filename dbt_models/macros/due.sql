{#- A condition that holds for the rows of a model that must be written again. Columns: those that stand for the
    model's `keys`, in their order.

    `compared` limits what a model returns to such rows. Postgres carries that limit through joins by itself, but not
    into an aggregate: there a model says `WHERE {{ due('l.account_id', 'l.reservation_id') }}`. Everywhere else (unit
    tests, a refill) it is true. -#}
{% macro due() -%}
    true /*due: {{ varargs | join(', ') }} */
{%- endmacro %}

{#- The SQL of a model, limited to the keys in the table `due`. -#}
{% macro limited_to_due(sql, keys, due) -%}
    {%- set inside = modules.re.sub('true /\\*due: (.*?) \\*/', '(\\1) IN (SELECT ' ~ keys ~ ' FROM ' ~ due ~ ')', sql) -%}
    SELECT * FROM ({{ inside }}) AS model WHERE ({{ keys }}) IN (SELECT {{ keys }} FROM {{ due }})
{%- endmacro %}
