-- report_reasons: why Hostaway's own reports of the last full month and our figures differ, and by how much.
SELECT r.label, d.unit, e.explanation, sum(d.amount) AS amount, count(*) AS places
FROM marts.rec_differences AS d
JOIN marts.rec_reports AS r USING (report)
JOIN marts.rec_reasons AS e USING (reason)
WHERE d.account_id = ANY(%(accounts)s) AND d.month = %(last_month)s
GROUP BY d.report, r.label, d.unit, e.explanation
ORDER BY d.report, d.unit, abs(sum(d.amount)) DESC, e.explanation
