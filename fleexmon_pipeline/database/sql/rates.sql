-- since --
-- The part of these days of which anything is known, and of how many nodes.
SELECT min(slot) AS since, max(slot) + interval '5 minutes' AS until, count(DISTINCT node) AS nodes
FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s AND slot_is_known(status);

-- rates --
-- By rule: slots in which it fired, issues that began in these days, those marked as noise; the same for shadow rules.
SELECT rule, false AS shadow, sum(slots)::bigint AS slots, sum(issues)::bigint AS issues, sum(noise)::bigint AS noise
FROM (
  SELECT rule, count(*) AS slots, 0 AS issues, 0 AS noise
  FROM "IssueOccurrence" WHERE slot >= %(since)s AND slot < %(until)s GROUP BY rule
  UNION ALL
  SELECT rule_of(e.fingerprint), 0, count(*), count(*) FILTER (WHERE v.verdict = 'noise')
  FROM "IssueEpisode" AS e LEFT JOIN "IssueVerdict" AS v ON v.issue = e.id
  WHERE e."firstSlot" >= %(since)s AND e."firstSlot" < %(until)s GROUP BY 1
) AS active
GROUP BY rule
UNION ALL
SELECT rule, true, count(*), count(DISTINCT fingerprint), 0
FROM "ShadowOccurrence" WHERE slot >= %(since)s AND slot < %(until)s GROUP BY rule
ORDER BY issues DESC, rule;
