-- patterns --
-- Stored patterns with their counts in a window and in an equally long window before; merged ones are counted with their
-- target. Ordered by lines, so that the first page has the most frequent ones.
WITH RECURSIVE counted AS (
  SELECT pattern, sum(count) FILTER (WHERE slot >= %(since)s) AS lines,
    sum(count) FILTER (WHERE slot < %(since)s) AS before
  FROM "LogPatternCount"
  WHERE slot >= %(before)s AND slot < %(until)s AND (%(node)s::text IS NULL OR node = %(node)s)
  GROUP BY pattern
), chain AS (
  SELECT pattern AS id, pattern::varchar AS root, 0 AS step FROM counted
  UNION ALL
  SELECT chain.id, p."aliasOf", chain.step + 1
  FROM chain JOIN "LogPattern" AS p ON p.id = chain.root
  WHERE p."aliasOf" IS NOT NULL AND chain.step < 32
), resolved AS (
  SELECT DISTINCT ON (id) id, root FROM chain ORDER BY id, step DESC
), family AS (
  SELECT root, COALESCE(sum(lines), 0)::bigint AS lines, COALESCE(sum(before), 0)::bigint AS before
  FROM counted JOIN resolved ON resolved.id = counted.pattern
  GROUP BY root
)
SELECT p.id, p.template, p.level, p."firstSeen" AS first_seen, p."lastSeen" AS last_seen, f.lines, f.before,
  count(*) OVER () AS total
FROM family AS f JOIN "LogPattern" AS p ON p.id = f.root
WHERE (%(levels)s::text[] IS NULL OR p.level = ANY (%(levels)s::text[]))
  AND (%(like)s::text IS NULL OR p.template ILIKE %(like)s)
  AND (%(first)s::timestamp IS NULL OR p."firstSeen" >= %(first)s::timestamp)
  AND (%(ids)s::text[] IS NULL OR p.id = ANY (%(ids)s::text[]))
ORDER BY f.lines DESC, f.before DESC, p.id
LIMIT %(limit)s OFFSET %(offset)s;

-- first_counted --
SELECT min(slot) AS slot FROM "LogPatternCount" WHERE slot >= %(since)s;

-- patterns_with_text --
-- Merged patterns included; the latest first.
SELECT id, template, level, "firstSeen" AS first_seen, "lastSeen" AS last_seen FROM "LogPattern"
WHERE template ILIKE %(like)s AND "aliasOf" IS NULL
ORDER BY "lastSeen" DESC, id LIMIT %(limit)s;

-- pattern --
SELECT id, template, level, "firstSeen" AS first_seen, "lastSeen" AS last_seen, "aliasOf" AS alias_of
FROM "LogPattern" WHERE id = %(id)s;

-- root --
-- The pattern that a stored pattern was merged into, or itself; 32 steps end a cycle.
WITH RECURSIVE chain AS (
  SELECT id, "aliasOf", 0 AS step FROM "LogPattern" WHERE id = %(id)s
  UNION ALL
  SELECT p.id, p."aliasOf", step + 1 FROM chain JOIN "LogPattern" AS p ON p.id = chain."aliasOf" WHERE step < 32
)
SELECT id FROM chain ORDER BY step DESC LIMIT 1;

-- members --
-- A pattern and all that merged into it.
WITH RECURSIVE member AS (
  SELECT %(id)s::text AS id
  UNION
  SELECT p.id::text FROM member JOIN "LogPattern" AS p ON p."aliasOf" = member.id
)
SELECT id FROM member;

-- pattern_days --
-- Lines by day and node, of a pattern and those merged into it, in whole days: sums of days that are summed, else counts.
SELECT d.day::timestamp AS day, d.node, sum(d.count)::bigint AS lines
FROM "LogPatternDay" AS d JOIN "SummedDay" AS summed ON summed.day = d.day
WHERE d.pattern = ANY (%(patterns)s::text[])
  AND d.day >= %(since)s::timestamp::date AND d.day < %(until)s::timestamp::date
GROUP BY 1, 2
UNION ALL
SELECT of.day, c.node, c.lines
FROM generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '1 day', interval '1 day') AS of (day)
CROSS JOIN LATERAL (
  SELECT node, sum(count)::bigint AS lines FROM "LogPatternCount"
  WHERE pattern = ANY (%(patterns)s::text[]) AND slot >= of.day AND slot < of.day + interval '1 day'
  GROUP BY node
) AS c
WHERE NOT EXISTS (SELECT FROM "SummedDay" AS summed WHERE summed.day = of.day::date);

-- issues_of_pattern --
SELECT i.id, i.severity, i.status, i.title, i."detectedAt" AS detected_at
FROM "LogIssue" AS i
WHERE i.metadata ->> 'pattern' = ANY (%(patterns)s::text[])
ORDER BY i."detectedAt" DESC, i.id LIMIT %(limit)s;

-- shadow_rules --
-- What each rule in shadow mode would have reported: how often, on which subjects, and how severe.
SELECT rule, count(DISTINCT fingerprint) AS subjects, count(*) AS slots, min(slot) AS first, max(slot) AS last,
  count(DISTINCT date_trunc('day', slot)) AS days,
  (array_agg(severity ORDER BY array_position(ARRAY['low', 'medium', 'high', 'critical'], severity::text) DESC))[1] AS worst
FROM "ShadowOccurrence"
WHERE slot >= %(since)s
GROUP BY rule ORDER BY rule;

-- shadow_occurrences --
-- The latest of each fingerprint of a rule, the most recent first.
SELECT * FROM (
  SELECT DISTINCT ON (fingerprint) fingerprint, slot, severity, title, nodes, affected,
    count(*) OVER (PARTITION BY fingerprint) AS slots, min(slot) OVER (PARTITION BY fingerprint) AS first
  FROM "ShadowOccurrence"
  WHERE slot >= %(since)s AND rule = %(rule)s
  ORDER BY fingerprint, slot DESC
) AS latest
ORDER BY slot DESC, fingerprint LIMIT %(limit)s;

-- digests --
SELECT day, "generatedAt" AS generated_at, figures -> 'verdict' ->> 'state' AS state,
  figures -> 'verdict' ->> 'sentence' AS sentence
FROM "LogDigest"
WHERE %(before)s::date IS NULL OR day < %(before)s::date
ORDER BY day DESC LIMIT %(limit)s;

-- freshness --
-- How far each stage has come.
SELECT
  (SELECT max(slot) + interval '5 minutes' FROM "LogCoverage" WHERE slot >= %(since)s AND status <> 'missing') AS collected,
  (SELECT max("updatedAt") FROM "LogCoverage" WHERE slot >= %(since)s) AS ticked,
  (SELECT max(slot) + interval '5 minutes' FROM "LogPatternCount" WHERE slot >= %(since)s) AS analyzed,
  (SELECT max(hour) FROM "DetectedHour") AS judged_hour,
  (SELECT max(day) FROM "LogDigest") AS digest,
  (SELECT count(*) FROM "LogPattern" WHERE "firstSeen" >= %(day)s AND "aliasOf" IS NULL) AS new_patterns,
  (SELECT COALESCE(sum(stored), 0)::bigint FROM "LogCoverage" WHERE slot >= %(day)s) AS lines;

-- open_by_severity --
SELECT severity, count(*) AS issues FROM "LogIssue" WHERE status = 'open' GROUP BY severity;
