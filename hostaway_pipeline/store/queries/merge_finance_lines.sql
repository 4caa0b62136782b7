-- merge_finance_lines: makes the finance lines of some reservations those of their present content.
--
-- It runs right after merge.sql, in its transaction. A statement of its own, because its snapshot must be younger than
-- the locks on the reservations: merge.sql may have waited for another merge, whose lines its snapshot does not show.
-- Lines that are equal are not written; lines that the content no longer has are deleted.
WITH incoming AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(lines)s::json) AS line (
        reservation_id bigint, line_no integer, source_id bigint, name text, title text, type text, total numeric,
        is_included boolean, is_deleted boolean
    )
),
removed AS (
    DELETE FROM hostaway.reservation_finance_lines AS stored
    WHERE stored.account_id = %(account_id)s AND stored.reservation_id = ANY(%(changed)s)
      AND NOT EXISTS (
          SELECT FROM incoming
          WHERE incoming.reservation_id = stored.reservation_id AND incoming.line_no = stored.line_no
      )
)
INSERT INTO hostaway.reservation_finance_lines (
    account_id, reservation_id, line_no, source_id, name, title, type, total, is_included, is_deleted
)
SELECT %(account_id)s, incoming.*
FROM incoming
LEFT JOIN hostaway.reservation_finance_lines AS stored
    ON stored.account_id = %(account_id)s
   AND stored.reservation_id = incoming.reservation_id AND stored.line_no = incoming.line_no
WHERE stored.line_no IS NULL
   OR (stored.source_id, stored.name, stored.title, stored.type, stored.total, stored.is_included, stored.is_deleted)
      IS DISTINCT FROM
      (incoming.source_id, incoming.name, incoming.title, incoming.type, incoming.total, incoming.is_included,
       incoming.is_deleted)
ORDER BY incoming.reservation_id, incoming.line_no
ON CONFLICT (account_id, reservation_id, line_no) DO UPDATE SET
    source_id = excluded.source_id, name = excluded.name, title = excluded.title, type = excluded.type,
    total = excluded.total, is_included = excluded.is_included, is_deleted = excluded.is_deleted
