{#- What a model's rows depend on besides the rows that it reads: its own compiled code and contract, and the files of
    all its ancestors, seeds included. If it differs from the one stored with the table, the table is refilled. -#}
{% macro code_fingerprint(sql) %}
    {%- set parts = [local_md5(sql), local_md5(tojson(model.contract))] -%}
    {%- for ancestor in code_ancestors(model.unique_id, []) | sort -%}
        {%- do parts.append(graph.nodes[ancestor].checksum.checksum) -%}
    {%- endfor -%}
    {{ return(local_md5(parts | join(' '))) }}
{% endmacro %}

{#- The models and seeds above a node, added to `seen`. -#}
{% macro code_ancestors(node, seen) %}
    {%- for parent in graph.nodes[node].depends_on.nodes if parent in graph.nodes and parent not in seen -%}
        {%- do seen.append(parent) -%}
        {%- do code_ancestors(parent, seen) -%}
    {%- endfor -%}
    {{ return(seen) }}
{% endmacro %}
