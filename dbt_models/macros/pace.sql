{#- What the models of pace share. -#}

{#- The share of a stay in each of its months, with the days at whose end it was on the books: from `from_day` until the
    day before `to_day`. One row per state of a sold booking and month; states that end on the day on which they begin
    have none.

    Most stays lie in one month, and a series for each of them would cost more than all the rest. So there are two
    limits: `first` on the states `v`, for the month of arrival, and `spanning` on those that have further months, which
    are columns of `later`. -#}
{% macro pace_shares(first, spanning='true', later='true') %}
    SELECT
        account_id,
        booking_id,
        property_id,
        currency,
        month,
        from_day,
        to_day,
        units * (to_night - from_night) AS nights,
        coalesce(
            round(rent * to_night / nights, minor_units) - round(rent * from_night / nights, minor_units), 0
        ) AS rent
    FROM (
        SELECT
            *,
            greatest(month - arrival_date, 0) AS from_night,
            least((month + interval '1 month')::date, departure_date) - arrival_date AS to_night
        FROM (
            SELECT *, date_trunc('month', arrival_date::timestamp)::date AS month
            FROM ({{ pace_states(first) }}) AS s
            UNION ALL
            SELECT *
            FROM (
                SELECT s.*, m::date AS month
                FROM ({{ pace_states(spanning ~ " AND date_trunc('month', v.arrival_date::timestamp) + interval '1 month' < v.departure_date") }}) AS s,
                    generate_series(
                        date_trunc('month', s.arrival_date::timestamp) + interval '1 month',
                        (s.departure_date - 1)::timestamp, interval '1 month'
                    ) AS m
            ) AS later
            WHERE {{ later }}
        ) AS in_month
    ) AS placed
{% endmacro %}

{% macro pace_states(condition) %}
    SELECT
        v.account_id,
        v.booking_id,
        v.property_id,
        coalesce(v.currency, p.currency, 'XXX') AS currency,
        coalesce(c.minor_units, 2) AS minor_units,
        v.arrival_date,
        v.departure_date,
        v.nights,
        v.units,
        v.rent,
        (v.valid_from AT TIME ZONE 'UTC')::date AS from_day,
        (v.valid_to AT TIME ZONE 'UTC')::date AS to_day
    FROM {{ ref('booking_versions') }} AS v
    LEFT JOIN {{ ref('property') }} AS p ON p.account_id = v.account_id AND p.property_id = v.property_id
    LEFT JOIN {{ ref('currencies') }} AS c ON c.currency = coalesce(v.currency, p.currency, 'XXX')
    WHERE {{ takes_nights('v') }} AND v.state = 'sold' AND v.property_id IS NOT NULL
        AND (v.valid_to IS NULL OR (v.valid_from AT TIME ZONE 'UTC')::date < (v.valid_to AT TIME ZONE 'UTC')::date)
        AND {{ condition }}
{% endmacro %}

{#- The day on which a change of last year's is first seen by a comparison by date. 29 February has no twin: what
    changed then is seen on 1 March. -#}
{% macro a_year_later(day) -%}
    ({{ day }} + interval '1 year')::date + ({{ day }} <> ({{ day }} + interval '1 year' - interval '1 year')::date)::integer
{%- endmacro %}

{#- The same by days before the month. -#}
{% macro as_early_next_year(day, month) -%}
    {{ day }} + (({{ month }} + interval '1 year')::date - {{ month }})
{%- endmacro %}

{#- 29 February, which is compared with nothing, and the day after it, up to today. -#}
{% macro leap_days() -%}
    SELECT make_date(year, 2, 29) + after AS day
    FROM generate_series(2012, extract(year FROM now() AT TIME ZONE 'UTC')::integer, 4) AS year, generate_series(0, 1) AS after
    WHERE make_date(year, 2, 29) + after <= (now() AT TIME ZONE 'UTC')::date
{%- endmacro %}

{#- The last of these days that is not after today; null if all are. -#}
{% macro last_until_today() -%}
    greatest(
        {%- for day in varargs -%}
            CASE WHEN {{ day }} <= (now() AT TIME ZONE 'UTC')::date THEN {{ day }} END {%- if not loop.last %}, {% endif -%}
        {%- endfor -%}
    )
{%- endmacro %}
