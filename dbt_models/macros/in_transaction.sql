{#- Run a statement and return its rows, in a transaction that `adapter.commit()` ends. dbt's own `run_query` opens
    none. -#}
{% macro in_transaction(sql) %}
    {%- call statement('in_transaction', fetch_result=True) -%} {{ sql }} {%- endcall -%}
    {{ return(load_result('in_transaction').table) }}
{% endmacro %}
