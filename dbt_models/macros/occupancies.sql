{#- The columns of occupancy from sums of unit-nights. What needs the calendar is null without it, never 0. -#}
{% macro occupancies() -%}
    listed_nights - owner_nights - blocked_nights AS available_nights,
    sold_nights,
    owner_nights,
    hold_nights,
    blocked_nights,
    {{ ratio('sold_nights', 'listed_nights') }} AS occupancy,
    {{ ratio('sold_nights + owner_nights', 'listed_nights') }} AS occupancy_with_owner,
    {{ ratio('sold_nights', '(listed_nights - owner_nights - blocked_nights)') }} AS adjusted_occupancy,
    CASE WHEN blocked_nights IS NULL THEN 'assumed' ELSE 'calendar' END AS supply_source
{%- endmacro %}

{#- A ratio with 20 decimals; null on an empty denominator. -#}
{% macro ratio(part, whole) -%}
    round(({{ part }})::numeric(60, 20) / nullif({{ whole }}, 0), 20)
{%- endmacro %}
