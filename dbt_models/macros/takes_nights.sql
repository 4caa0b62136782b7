{#- Whether a booking takes nights of its property: it is sold, an owner's or a hold, and its dates make sense. A stay
    of more than 1,100 nights is an error in the source; the data-quality mart names it. -#}
{% macro takes_nights(booking) -%}
    ({{ booking }}.state IN ('sold', 'owner', 'hold')
        AND NOT {{ booking }}.is_dates_unspecified
        AND {{ booking }}.nights BETWEEN 1 AND 1100)
{%- endmacro %}
