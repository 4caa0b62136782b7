-- sum_row_counts: replaces the changes of the numbers of rows by their sums, one per account and entity.
--
-- Nobody waits for it: changes are only ever added, and those that come meanwhile stay beside the sums. Only the
-- removal of an account does, and what belonged to it goes.
WITH known AS (
    SELECT account_id FROM hostaway.accounts ORDER BY account_id FOR KEY SHARE
),
change AS (
    DELETE FROM hostaway.row_counts RETURNING account_id, entity, live
)
INSERT INTO hostaway.row_counts (account_id, entity, live)
SELECT account_id, entity, sum(live)
FROM change
JOIN known USING (account_id)
GROUP BY account_id, entity
