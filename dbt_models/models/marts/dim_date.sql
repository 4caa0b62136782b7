-- dim_date: the days of 2010 to 2039.
SELECT
    day::date AS date,
    date_trunc('month', day)::date AS month,
    extract(year FROM day)::integer AS year,
    extract(month FROM day)::integer AS month_of_year,
    extract(isoyear FROM day)::integer AS iso_year,
    extract(week FROM day)::integer AS iso_week,
    extract(isodow FROM day)::integer AS iso_weekday,
    extract(isodow FROM day) IN (5, 6) AS is_weekend_night
FROM generate_series(timestamp '2010-01-01', timestamp '2039-12-31', interval '1 day') AS day
