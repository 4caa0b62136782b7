{#- Whether a day lies in the months that are reconciled: twelve past ones, the present and the next. -#}
{% macro is_reconciled(day) -%}
    ({{ day }} >= date_trunc('month', now() AT TIME ZONE 'UTC') - interval '12 months'
        AND {{ day }} < date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months')
{%- endmacro %}
