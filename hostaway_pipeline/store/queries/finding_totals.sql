-- finding_totals: how many written rows had a key that is unknown or could not be read, over all accounts.
SELECT entity, finding, sum(rows)
FROM hostaway.payload_findings
GROUP BY entity, finding
