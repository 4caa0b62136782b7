-- cadences_to_plan: active accounts without a due time in a regular mode, or with one later than its period allows.
--
-- The latter occurs when the period was shortened; `longest` is the most that a due time may lie ahead.
SELECT account.account_id, regular.mode, cadence.every, cadence.at
FROM hostaway.accounts AS account
CROSS JOIN unnest(%(modes)s::text[], %(longest)s::interval[]) AS regular (mode, longest)
LEFT JOIN hostaway.cadences AS cadence ON cadence.account_id = account.account_id AND cadence.mode = regular.mode
WHERE account.is_active
  AND (cadence.next_due_at IS NULL
       OR cadence.next_due_at
          > coalesce(%(now)s::timestamptz, clock_timestamp()) + greatest(cadence.every, regular.longest))
