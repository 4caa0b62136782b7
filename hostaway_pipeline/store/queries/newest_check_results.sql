-- newest_check_results: in Dagster's database, the newest results of each asset check.
--
-- One in each status: Dagster shows the newest result, and the newest complete one. Nothing here is special to Postgres.
SELECT max(id) FROM asset_check_executions GROUP BY asset_key, check_name, partition, execution_status
