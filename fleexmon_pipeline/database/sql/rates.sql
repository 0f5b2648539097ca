-- since --
-- The part of these days for which any data is stored, and for how many nodes.
SELECT min(slot) AS since, max(slot) + interval '5 minutes' AS until, count(DISTINCT node) AS nodes
FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s AND slot_is_known(status);

-- rates --
-- By rule: slots in which it fired, issues that began in these days, their incidents, and those marked as noise; the same
-- for shadow rules, whose issues are in no incident.
SELECT rule, false AS shadow, sum(slots)::bigint AS slots, sum(issues)::bigint AS issues,
  sum(incidents)::bigint AS incidents, sum(noise)::bigint AS noise
FROM (
  SELECT rule, count(*) AS slots, 0 AS issues, 0 AS incidents, 0 AS noise
  FROM "IssueOccurrence" WHERE slot >= %(since)s AND slot < %(until)s GROUP BY rule
  UNION ALL
  SELECT rule_of(e.fingerprint), 0, count(*),
    count(DISTINCT COALESCE((SELECT n.id FROM "Incident" AS n WHERE n.issues @> ARRAY[e.id] LIMIT 1), e.id)),
    count(*) FILTER (WHERE v.verdict = 'noise')
  FROM "IssueEpisode" AS e LEFT JOIN "IssueVerdict" AS v ON v.issue = e.id
  WHERE e."firstSlot" >= %(since)s AND e."firstSlot" < %(until)s GROUP BY 1
) AS active
GROUP BY rule
UNION ALL
SELECT rule, true, count(*), count(DISTINCT fingerprint), count(DISTINCT fingerprint), 0
FROM "ShadowOccurrence" WHERE slot >= %(since)s AND slot < %(until)s GROUP BY rule
ORDER BY issues DESC, rule;

-- noise_by_day --
-- How many issues of each rule were called noise on each of the days before `until`; day 1 is the last. By the time of the
-- verdict: a verdict of tomorrow does not change today's evaluation.
SELECT rule_of(fingerprint) AS rule, ceil(extract(epoch FROM %(until)s - at) / 86400)::int AS day, count(*)::int AS noise
FROM "IssueVerdict"
WHERE verdict = 'noise' AND fingerprint IS NOT NULL AND at >= %(since)s AND at < %(until)s
GROUP BY 1, 2;

-- kept --
-- Issues of these rules that began in these days, by verdict; and those that would not have been opened with half of the
-- budget, because all their firings were within a factor of two of the limit.
SELECT count(*) AS issues,
  count(*) FILTER (WHERE verdict = 'noise') AS noise,
  count(*) FILTER (WHERE verdict = 'real') AS real,
  count(*) FILTER (WHERE needed > 0.5) AS narrow,
  count(*) FILTER (WHERE needed > 0.5 AND verdict = 'noise') AS narrow_noise,
  count(*) FILTER (WHERE needed > 0.5 AND verdict = 'real') AS narrow_real
FROM (
  SELECT v.verdict, (
    SELECT min((o.metadata ->> 'ofBudget')::float8) FROM "IssueOccurrence" AS o
    WHERE o.fingerprint = e.fingerprint AND o.slot BETWEEN e."firstSlot" AND e."lastSlot"
  ) AS needed
  FROM "IssueEpisode" AS e LEFT JOIN "IssueVerdict" AS v ON v.issue = e.id
  WHERE e."firstSlot" >= %(since)s AND e."firstSlot" < %(until)s AND rule_of(e.fingerprint) = ANY(%(rules)s::text[])
) AS begun;
