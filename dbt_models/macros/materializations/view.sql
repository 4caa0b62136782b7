{#- view: a private view, replaced only if its code changed. dbt's own replaces every view in every run. -#}
{% materialization view, adapter='postgres' %}
    {%- set view = this.incorporate(type='view') -%}
    {%- set fingerprint = code_fingerprint(sql) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if load_cached_relation(this) is not none and stored_fingerprint(view) == fingerprint -%}
        {%- call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) -%} SELECT {%- endcall -%}
    {%- else -%}
        {%- call statement('main') -%}
            DROP VIEW IF EXISTS {{ view }} CASCADE;
            CREATE VIEW {{ view }} AS ({{ sql }});
            COMMENT ON VIEW {{ view }} IS {{ postgres_escape_comment(model.description ~ '\n' ~ fingerprint) }}
        {%- endcall -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [view]}) }}
{% endmaterialization %}

{#- The fingerprint with which a view or table was made, the last word of its comment; none: unknown, or a view that went
    together with one that it reads. -#}
{% macro stored_fingerprint(relation) %}
    {%- set found = in_transaction("SELECT obj_description(to_regclass('" ~ relation ~ "'), 'pg_class')").rows[0][0] -%}
    {{ return(found.split('\n')[-1] if found else none) }}
{% endmacro %}
