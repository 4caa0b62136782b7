{{ config(materialized='compared', contract={'enforced': true}) }}
-- int_time_zones: the time zones that Postgres knows. It reads hundreds of files to list them, so they are kept here.
SELECT name FROM pg_catalog.pg_timezone_names
