{#- Every row of the model satisfies the condition; null counts as satisfied. -#}
{% test holds(model, condition) %}
    SELECT * FROM {{ model }} WHERE NOT ({{ condition }})
{% endtest %}
