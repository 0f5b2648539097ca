-- collected --
-- Facts about an hour, node by node: stored lines, rejected records, slots, the end of the answered window, the newest line
-- and the latest error.
SELECT node, sum(stored)::bigint AS stored, sum(rejected)::bigint AS rejected,
  count(*) FILTER (WHERE slot_is_known(status)) AS whole, count(*) AS slots,
  max(slot) FILTER (WHERE status <> 'missing') + interval '5 minutes' AS answered_until,
  CASE WHEN sum(stored) > 0 THEN (
    SELECT max(timestamp) FROM "LogEntry"
    WHERE timestamp >= %(since)s AND timestamp < %(until)s AND source = node
  ) END AS newest_line,
  (array_agg(error ORDER BY slot DESC) FILTER (WHERE error IS NOT NULL))[1] AS error
FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s
GROUP BY node
ORDER BY node;

-- counted --
SELECT COALESCE(sum(count), 0)::bigint AS lines, count(DISTINCT pattern) AS patterns, count(*) AS rows
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s;

-- first_seen --
-- Patterns that are new in the hour.
SELECT id, level, template, count(*) OVER () AS patterns
FROM "LogPattern"
WHERE "firstSeen" >= %(since)s AND "firstSeen" < %(until)s AND "aliasOf" IS NULL
ORDER BY level, id
LIMIT %(limit)s;

-- genai_calls --
SELECT count(*) AS calls, COALESCE(sum(COALESCE("tokensIn", 0) + COALESCE("tokensOut", 0)), 0)::bigint AS tokens
FROM "GenAICall"
WHERE "windowStart" >= %(since)s AND "windowStart" < %(until)s AND NOT replay;

-- fired --
-- The latest title of each fingerprint, and the issue that it belongs to.
SELECT DISTINCT ON (fingerprint) severity, nodes, title, (
  SELECT episode.id FROM "IssueEpisode" AS episode
  WHERE episode.fingerprint = occurrence.fingerprint
    AND occurrence.slot BETWEEN episode."firstSlot" AND episode."lastSlot"
  ORDER BY episode."firstSlot" DESC LIMIT 1
) AS issue
FROM "IssueOccurrence" AS occurrence
WHERE slot >= %(since)s AND slot < %(until)s AND source = %(source)s
ORDER BY fingerprint, slot DESC;

-- firings --
-- How often rules fired in the hour; issues of this source at its end: open, begun in it, ended in it. So they do not change
-- when the hour is materialized again, and a plot over hours is correct.
SELECT
  (SELECT count(*) FROM "IssueOccurrence"
   WHERE slot >= %(since)s AND slot < %(until)s AND source = %(source)s) AS firings,
  (SELECT count(*) FROM "ShadowOccurrence"
   WHERE slot >= %(since)s AND slot < %(until)s AND rule = ANY(%(rules)s)) AS shadow_firings,
  count(*) FILTER (WHERE "resolvedAt" IS NULL OR "resolvedAt" > %(until)s) AS open_issues,
  count(*) FILTER (WHERE "detectedAt" > %(since)s) AS new_issues,
  count(*) FILTER (WHERE "resolvedAt" > %(since)s AND "resolvedAt" <= %(until)s) AS ended_issues
FROM "LogIssue"
WHERE source = %(source)s AND "detectedAt" <= %(until)s AND ("resolvedAt" IS NULL OR "resolvedAt" > %(since)s);

-- forecasts --
SELECT count(*) AS rows FROM "LogForecast" WHERE "madeAt" > %(since)s AND "madeAt" <= %(until)s;
