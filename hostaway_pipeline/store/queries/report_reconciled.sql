-- report_reconciled: Hostaway's own reports of the last full month beside our figures, sums over accounts.
SELECT t.report, r.label, r.their_definition, r.our_figure, t.unit, sum(t.theirs) AS theirs, sum(t.ours) AS ours
FROM marts.rec_totals AS t
JOIN marts.rec_reports AS r USING (report)
WHERE t.account_id = ANY(%(accounts)s) AND t.month = %(last_month)s
GROUP BY t.report, r.label, r.their_definition, r.our_figure, t.unit
ORDER BY t.report, t.unit
