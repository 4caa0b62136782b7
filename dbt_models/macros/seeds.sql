{#- A seed is emptied and refilled in place: TRUNCATE, dbt's own way, would wait for every open transaction. -#}
{% macro postgres__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {%- set emptied -%} DELETE FROM {{ old_relation }} {%- endset -%}
    {%- call statement('empty_seed') -%} {{ emptied }} {%- endcall -%}
    {{ return(emptied) }}
{% endmacro %}
