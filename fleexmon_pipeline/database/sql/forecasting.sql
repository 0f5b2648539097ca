-- hourly_counts --
-- Lines per hour, node and level as stored; a few rows however many lines.
SELECT date_trunc('hour', slot) AS hour, node, level, sum(count)::bigint AS count
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s
GROUP BY 1, 2, 3;

-- covered_slots --
-- Slots of which the lines are known to be all there. Empty is known too; missing and partial are not.
SELECT date_trunc('hour', slot) AS hour, node, count(*) FILTER (WHERE status IN ('complete', 'empty')) AS slots
FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s
GROUP BY 1, 2;

-- open_issues --
-- Open at that time, not now. A row that another program resolved may lack resolvedAt; updatedAt stands in for it.
SELECT id, severity
FROM "LogIssue"
WHERE "detectedAt" < %(end)s AND "detectedAt" <= %(found_by)s AND source <> 'predictor'
  AND COALESCE("resolvedAt", CASE WHEN status = 'resolved' THEN "updatedAt" END, 'infinity') >= %(end)s
ORDER BY "detectedAt" DESC, id;
