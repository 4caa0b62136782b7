{#- What the lines of a price amount to, one row per `keys`. `lines`: a relation or query with name, type, total,
    is_included and is_deleted.

    Rent is base_rate plus discount, which is negative. A base rate without a mark is included; totals are sums of other
    lines. -#}
{% macro booking_money(keys, lines, condition='true') -%}
    SELECT
        {{ keys }},
        sum(total) FILTER (WHERE is_included AND name = 'baseRate') AS base_rate,
        sum(total) FILTER (WHERE is_included AND is_discount) AS discount,
        sum(total) FILTER (
            WHERE is_included AND type IN ('fee', 'price', 'accomodation')
                AND name IS DISTINCT FROM 'baseRate' AND NOT is_discount AND NOT is_total
        ) AS fees,
        sum(total) FILTER (WHERE is_included AND type = 'tax') AS tax,
        sum(total) FILTER (WHERE is_live AND name = 'hostChannelFee') AS commission,
        sum(total) FILTER (WHERE is_included) AS lines_total
    FROM (
        SELECT
            {{ keys }},
            name,
            type,
            total,
            is_deleted IS NOT TRUE AS is_live,
            is_deleted IS NOT TRUE AND coalesce(is_included, name = 'baseRate', false) AS is_included,
            coalesce(type = 'discount', false) OR coalesce(name ILIKE '%discount%', false) AS is_discount,
            coalesce(type = 'totals', false) OR coalesce(name ILIKE 'total%' OR name ILIKE '%payoutsum', false) AS is_total
        FROM {{ lines }}
        WHERE {{ condition }}
    ) AS line
    GROUP BY {{ keys }}
{%- endmacro %}
