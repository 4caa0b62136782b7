-- purge_rate_scopes: deletes scopes that nobody has used for long: removed accounts, hosts that have gone.
--
-- A process that takes a slot at the same time has locked the scope: the condition then sees the new slot.
DELETE FROM hostaway.rate_scopes
WHERE coalesce(slots[cardinality(slots)], '-infinity') < now() - %(age)s
  AND coalesce(paused_until, '-infinity') < now() - %(age)s
