-- report_quality: what is odd in the accounts of a report, by rule, with examples of the account that has most of it.
SELECT
    rule,
    count(*) AS accounts,
    sum(rows_affected)::bigint AS rows_affected,
    (array_agg(array_to_string(examples, ', ') ORDER BY rows_affected DESC, account_id))[1] AS examples
FROM marts.mart_data_quality
WHERE account_id = ANY(%(accounts)s)
GROUP BY rule
ORDER BY rows_affected DESC, rule
