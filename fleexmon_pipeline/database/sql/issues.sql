-- list --
-- Newest first. Open issues come from the partial index, however many have been resolved.
SELECT id, severity, status, type, source, title, metadata -> 'nodes' AS nodes, "detectedAt", "updatedAt", "resolvedAt",
  metadata -> 'occurrences' AS occurrences, metadata -> 'affectedCount' AS "affectedCount",
  metadata -> 'regressionOf' AS "regressionOf"
FROM "LogIssue"
WHERE (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(severity)s::text IS NULL OR severity = %(severity)s)
  AND (%(node)s::text IS NULL OR metadata -> 'nodes' ? %(node)s)
  AND (%(since)s::timestamp IS NULL OR "updatedAt" >= %(since)s)
  AND (%(rule)s::text IS NULL OR metadata ->> 'rule' = %(rule)s)
  AND (%(like)s::text IS NULL OR title ILIKE %(like)s)
  AND (%(before_at)s::timestamp IS NULL OR "updatedAt" < %(before_at)s::timestamp
    OR "updatedAt" = %(before_at)s::timestamp AND id > %(before_id)s::uuid)
ORDER BY "updatedAt" DESC, id
LIMIT %(limit)s;

-- sorted_list --
-- In another order, which needs all matching issues.
SELECT id, severity, status, type, source, title, metadata -> 'nodes' AS nodes, "detectedAt", "updatedAt", "resolvedAt",
  metadata -> 'occurrences' AS occurrences, metadata -> 'affectedCount' AS "affectedCount",
  metadata -> 'regressionOf' AS "regressionOf"
FROM "LogIssue"
WHERE (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(severity)s::text IS NULL OR severity = %(severity)s)
  AND (%(node)s::text IS NULL OR metadata -> 'nodes' ? %(node)s)
  AND (%(since)s::timestamp IS NULL OR "updatedAt" >= %(since)s)
  AND (%(rule)s::text IS NULL OR metadata ->> 'rule' = %(rule)s)
  AND (%(like)s::text IS NULL OR title ILIKE %(like)s)
ORDER BY
  CASE %(sort)s WHEN 'severity' THEN array_position(ARRAY['critical', 'high', 'medium', 'low'], severity::text) END,
  CASE %(sort)s WHEN 'detected' THEN "detectedAt" END DESC,
  CASE WHEN %(sort)s = 'lines' AND jsonb_typeof(metadata -> 'affectedCount') = 'number'
    THEN (metadata ->> 'affectedCount')::numeric END DESC NULLS LAST,
  "updatedAt" DESC, id
LIMIT %(limit)s;

-- sparks --
-- Lines by half hour of the 24 hours up to the last firing of each issue, as its rule counted them.
SELECT id, 47 - floor(extract(epoch FROM (ended - interval '1 microsecond' - slot)) / 1800)::int AS half, max(affected) AS lines
FROM (
  SELECT e.id, o.slot, o.affected, e."lastSlot" + interval '5 minutes' AS ended
  FROM "IssueEpisode" AS e
  JOIN "IssueOccurrence" AS o ON o.fingerprint = e.fingerprint AND o.slot BETWEEN e."firstSlot" AND e."lastSlot"
  WHERE e.id = ANY (%(ids)s::uuid[]) AND o.slot > e."lastSlot" + interval '5 minutes' - interval '24 hours'
) AS fired
GROUP BY 1, 2;

-- by_prefix --
-- Three ids show that a prefix is ambiguous; the count is how many share it.
SELECT id, count(*) OVER () AS count
FROM "LogIssue"
WHERE id >= %(least)s AND id <= %(greatest)s
ORDER BY id
LIMIT 3;

-- one --
SELECT * FROM "LogIssue" WHERE id = %(id)s;

-- occurrences --
-- The latest of the episode; an issue that fires all day has 288 a day.
SELECT o.slot, o.severity, o.title, o.affected, o.nodes
FROM "IssueEpisode" AS e
JOIN "IssueOccurrence" AS o ON o.fingerprint = e.fingerprint AND o.slot BETWEEN e."firstSlot" AND e."lastSlot"
WHERE e.id = %(id)s
ORDER BY o.slot DESC
LIMIT %(limit)s;

-- evidence --
-- Messages are cut here, so that one of a megabyte is not transferred.
SELECT id, timestamp, source AS node, level, left(message, %(width)s) AS message
FROM "LogEntry"
WHERE id = ANY (%(ids)s::uuid[])
ORDER BY timestamp DESC, id DESC
LIMIT %(limit)s;

-- first_evidence --
SELECT id, timestamp, source AS node, level, left(message, %(width)s) AS message
FROM "LogEntry"
WHERE id = ANY (%(ids)s::uuid[])
ORDER BY timestamp, id
LIMIT %(limit)s;

-- evidence_there --
SELECT id FROM "LogEntry" WHERE id = ANY (%(ids)s::uuid[]);

-- last_day --
-- Half hours up to the last firing: lines of the pattern (and of those merged into it), or of these levels.
WITH RECURSIVE member AS (
  SELECT %(pattern)s::text AS id
  UNION
  SELECT p.id::text FROM member JOIN "LogPattern" AS p ON p."aliasOf" = member.id
)
SELECT floor(extract(epoch FROM slot - %(since)s::timestamp) / 1800)::int AS half, sum(count)::bigint AS lines
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s
  AND (cardinality(%(nodes)s::text[]) = 0 OR node = ANY (%(nodes)s::text[]))
  AND (%(pattern)s::text IS NULL OR pattern IN (SELECT id FROM member))
  AND (%(levels)s::text[] IS NULL OR level = ANY (%(levels)s::text[]))
GROUP BY half;

-- known_halves --
-- A half hour in which no node responded is unknown, not zero.
SELECT DISTINCT floor(extract(epoch FROM slot - %(since)s::timestamp) / 1800)::int AS half
FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s AND slot_is_known(status)
  AND (cardinality(%(nodes)s::text[]) = 0 OR node = ANY (%(nodes)s::text[]));

-- similar --
-- Earlier issues of the same fingerprint first; then of the same pattern, or of the same rule on another node.
SELECT i.id, i.severity, i.status, i.title, i."detectedAt", i."resolvedAt", i."rootCause",
  i.metadata -> 'nodes' AS nodes, i.metadata ->> 'resolvedReason' AS "resolvedReason",
  i.metadata ->> 'resolvedBy' AS "resolvedBy", e.fingerprint = %(fingerprint)s AS same, v.verdict, v.why
FROM "IssueEpisode" AS e
JOIN "LogIssue" AS i ON i.id = e.id
LEFT JOIN "IssueVerdict" AS v ON v.issue = i.id
WHERE e.id <> %(id)s AND i."detectedAt" < %(before)s AND (
  e.fingerprint = %(fingerprint)s
  OR starts_with(subject_of(e.fingerprint), 'pattern:' || %(pattern)s::text || '@')
  OR %(pattern)s::text IS NULL AND starts_with(e.fingerprint, %(rule)s::text || ':node:')
)
ORDER BY (e.fingerprint = %(fingerprint)s) DESC, i."detectedAt" DESC, i.id
LIMIT %(limit)s;

-- pattern --
SELECT id, template, level, "firstSeen" FROM "LogPattern" WHERE id = %(pattern)s;

-- origin --
-- Partition keys of the hours in which it fired, and the runs that collected their lines, latest first.
SELECT array_agg(DISTINCT to_char(o.slot, 'YYYY-MM-DD-HH24:00')) AS windows,
  (SELECT array_agg(run ORDER BY slot DESC) FROM (
    SELECT c.run, max(c.slot) AS slot
    FROM "LogCoverage" AS c JOIN "IssueOccurrence" AS fired ON fired.slot = c.slot AND c.node = ANY (fired.nodes)
    WHERE fired.fingerprint = e.fingerprint AND fired.slot BETWEEN e."firstSlot" AND e."lastSlot" AND c.run IS NOT NULL
    GROUP BY c.run ORDER BY slot DESC LIMIT %(limit)s
  ) AS latest) AS runs
FROM "IssueEpisode" AS e
JOIN "IssueOccurrence" AS o ON o.fingerprint = e.fingerprint AND o.slot BETWEEN e."firstSlot" AND e."lastSlot"
WHERE e.id = %(id)s
GROUP BY e.id;

-- verdict --
SELECT verdict, "by", why, at FROM "IssueVerdict" WHERE issue = %(id)s;
