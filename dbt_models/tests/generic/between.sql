{#- No value lies outside of these bounds; nulls pass. -#}
{% test between(model, column_name, lowest=none, highest=none) %}
    SELECT {{ column_name }} FROM {{ model }} WHERE false
    {%- if lowest is not none %} OR {{ column_name }} < {{ lowest }} {%- endif %}
    {%- if highest is not none %} OR {{ column_name }} > {{ highest }} {%- endif %}
{% endtest %}
