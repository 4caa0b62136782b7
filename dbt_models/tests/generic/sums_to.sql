{#- Per group, the sum of a column equals a column of another model, which has one row per group. Groups where either
    is null are left out. -#}
{% test sums_to(model, column, by, total, of, condition='true') %}
    {%- set groups = by | join(', ') %}
    SELECT {{ groups }}, found.amount, {{ total }}
    FROM (SELECT {{ groups }}, sum({{ column }}) AS amount FROM {{ model }} WHERE {{ condition }} GROUP BY {{ groups }}) AS found
    JOIN {{ of }} AS wanted USING ({{ groups }})
    WHERE found.amount <> wanted.{{ total }}
{% endtest %}
