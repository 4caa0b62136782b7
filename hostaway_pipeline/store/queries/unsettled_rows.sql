-- unsettled_rows: live rows in doubt that need attention, per active account.
--
-- A row whose time lies ahead of ours is reported at once: Hostaway's clock or ours is wrong. Other doubts come from
-- deliveries that overtook each other and end with the next read: they are reported when they are a day old.
SELECT row_in_doubt.account_id,
       bool_or(row_in_doubt.source_updated_at IS NULL) AS is_ahead,
       count(*),
       (array_agg(row_in_doubt.id ORDER BY row_in_doubt.unsettled_at, row_in_doubt.id))[:5] AS first_ids
FROM {table} AS row_in_doubt
JOIN hostaway.accounts AS account USING (account_id)
WHERE account.is_active
  AND row_in_doubt.unsettled_at IS NOT NULL
  AND row_in_doubt.deleted_at IS NULL
  AND (row_in_doubt.source_updated_at IS NULL OR row_in_doubt.unsettled_at < now() - interval '1 day')
GROUP BY row_in_doubt.account_id
ORDER BY row_in_doubt.account_id
