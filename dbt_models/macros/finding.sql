{#- A rule of mart_data_quality: per account the number of rows that it finds and up to five of their keys. -#}
{% macro finding(rule, key, rows) -%}
    SELECT account_id, '{{ rule }}' AS rule, count(*) AS rows_affected, (array_agg({{ key }}::text ORDER BY {{ key }}))[1:5] AS examples
    FROM {{ rows }}
    GROUP BY account_id
{%- endmacro %}
