-- open_deletion_budget: locks the day's deletion budget; returns the rows alive since the day began and the rows
-- deleted.
--
-- A day begins with its first deletion. A second transaction waits for the lock and then reads what the first has
-- spent, so that two at once cannot both spend the budget. An account may grow within the day, and its budget with it.
INSERT INTO hostaway.deletion_budgets AS budget (account_id, entity, since, live, marked)
SELECT %(account_id)s, %(entity)s, clock_timestamp(), count(*), 0
FROM {table}
WHERE account_id = %(account_id)s AND deleted_at IS NULL
ON CONFLICT (account_id, entity) DO UPDATE
SET since = CASE WHEN budget.since <= excluded.since - interval '1 day' THEN excluded.since ELSE budget.since END,
    live = CASE WHEN budget.since <= excluded.since - interval '1 day' THEN excluded.live
                ELSE greatest(budget.live, excluded.live) END,
    marked = CASE WHEN budget.since <= excluded.since - interval '1 day' THEN 0 ELSE budget.marked END
RETURNING live, marked
