-- hourly_counts --
-- Lines per hour, node and level, from pattern counts: a digest never scans LogEntry.
SELECT date_trunc('hour', slot) AS start, node, level, sum(count)::bigint AS count
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;

-- daily_counts --
-- The same per day, to compare with; of each day only as much as the day itself has had so far.
SELECT date_trunc('day', slot) AS start, node, level,
  COALESCE(sum(count) FILTER (WHERE slot - date_trunc('day', slot) < %(so_far)s), 0)::bigint AS count
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;

-- coverage --
SELECT node, slot, status, stored, rejected
FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s
ORDER BY node, slot;

-- covered_slots --
-- How much of each day is covered; of each only as much as the day itself has had so far.
SELECT node, date_trunc('day', slot) AS day, count(*) AS slots
FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s AND slot - date_trunc('day', slot) < %(so_far)s AND slot_is_known(status)
GROUP BY 1, 2;

-- first_polls --
-- From when slots of a node are expected. A node not polled since `recent` was removed and is not missing.
SELECT node, min(slot) AS first
FROM "LogCoverage"
WHERE slot < %(until)s
GROUP BY node
HAVING max(slot) >= %(recent)s
ORDER BY node;

-- top_errors --
-- The day's most frequent error patterns, with the same part of the day before for comparison. Aliases that existed by its
-- end are resolved; 32 steps end a cycle.
WITH RECURSIVE counted AS (
  SELECT pattern, node, level, slot >= %(since)s AS today, sum(count) AS count
  FROM "LogPatternCount"
  WHERE slot >= %(before)s AND slot < %(until)s AND level = ANY (%(errors)s::text[])
    AND (slot >= %(since)s OR slot < %(before)s::timestamp + %(so_far)s)
  GROUP BY 1, 2, 3, 4
), chain AS (
  SELECT DISTINCT pattern AS id, pattern::varchar AS root, 0 AS step FROM counted
  UNION ALL
  SELECT chain.id, p."aliasOf", chain.step + 1
  FROM chain JOIN "LogPattern" p ON p.id = chain.root
  WHERE p."aliasOf" IS NOT NULL AND chain.step < 32 AND (p."aliasSince" < %(until)s) IS NOT FALSE
), resolved AS (
  SELECT DISTINCT ON (id) id, root FROM chain ORDER BY id, step DESC
)
SELECT r.root AS pattern, p.template, p."firstSeen" AS first_seen,
       (%(errors)s::text[])[max(array_position(%(errors)s::text[], c.level::text)) FILTER (WHERE c.today)] AS level,
       sum(c.count) FILTER (WHERE c.today)::bigint AS count,
       COALESCE(sum(c.count) FILTER (WHERE NOT c.today), 0)::bigint AS before,
       array_agg(DISTINCT c.node ORDER BY c.node) FILTER (WHERE c.today) AS nodes
FROM counted c JOIN resolved r ON r.id = c.pattern LEFT JOIN "LogPattern" p ON p.id = r.root
GROUP BY r.root, p.template, p."firstSeen"
HAVING bool_or(c.today)
ORDER BY count DESC, r.root
LIMIT %(limit)s;

-- new_patterns --
-- Patterns first seen on the day, errors first. A pattern that merged with an older one is not new.
WITH RECURSIVE up AS (
  SELECT id, id AS root, 0 AS step FROM "LogPattern" WHERE "firstSeen" >= %(since)s AND "firstSeen" < %(until)s
  UNION ALL
  SELECT up.id, p."aliasOf", up.step + 1
  FROM up JOIN "LogPattern" p ON p.id = up.root
  WHERE p."aliasOf" IS NOT NULL AND up.step < 32 AND (p."aliasSince" < %(until)s) IS NOT FALSE
), family AS (
  SELECT root, root AS id FROM (SELECT DISTINCT ON (id) root FROM up ORDER BY id, step DESC) AS roots
  UNION
  SELECT family.root, p.id
  FROM family JOIN "LogPattern" p ON p."aliasOf" = family.id AND (p."aliasSince" < %(until)s) IS NOT FALSE
), fresh AS (
  SELECT family.root, min(p."firstSeen") AS first_seen
  FROM family JOIN "LogPattern" p ON p.id = family.id
  GROUP BY family.root
  HAVING min(p."firstSeen") >= %(since)s
), counted AS (
  SELECT family.root, sum(c.count)::bigint AS count, array_agg(DISTINCT c.node ORDER BY c.node) AS nodes,
         max(array_position(%(levels)s::text[], c.level::text)) AS worst
  FROM family JOIN fresh USING (root)
  JOIN "LogPatternCount" c ON c.pattern = family.id AND c.slot >= %(since)s AND c.slot < %(until)s
  GROUP BY family.root
)
SELECT fresh.root AS pattern, p.template, fresh.first_seen, counted.count, 0::bigint AS before, counted.nodes,
       COALESCE((%(levels)s::text[])[counted.worst], p.level) AS level,
       count(*) OVER () AS patterns,
       count(*) FILTER (WHERE (%(levels)s::text[])[counted.worst] = ANY (%(errors)s::text[])) OVER () AS errors
FROM fresh JOIN counted USING (root) JOIN "LogPattern" p ON p.id = fresh.root
ORDER BY (%(levels)s::text[])[counted.worst] = ANY (%(errors)s::text[]) DESC NULLS LAST, counted.count DESC, fresh.root
LIMIT %(limit)s;

-- issues --
-- Every issue that overlaps the day; muted: at its end. A resolved row of another program may have no resolvedAt; then
-- updatedAt is used.
SELECT id::text, type, severity, title, source, "detectedAt" AS detected_at, "updatedAt" AS updated_at, ended,
       metadata -> 'nodes' AS nodes, was_muted(metadata, %(until)s) AS muted
FROM (
  SELECT *, COALESCE("resolvedAt", CASE WHEN status = 'resolved' THEN "updatedAt" END) AS ended FROM "LogIssue"
) AS issue
WHERE "detectedAt" < %(until)s AND (ended IS NULL OR ended >= %(since)s)
ORDER BY "detectedAt" DESC, id;

-- genai --
-- All paid calls, replays included; failed replays are left out, since nobody needs to act on them.
SELECT count(*) AS calls, count(*) FILTER (WHERE outcome <> 'ok' AND NOT replay) AS failures,
       COALESCE(sum("tokensIn"), 0)::bigint AS tokens_in, COALESCE(sum("tokensOut"), 0)::bigint AS tokens_out,
       sum(cost)::float8 AS cost
FROM "GenAICall"
WHERE at >= %(since)s AND at < %(until)s;

-- write --
-- The same figures leave the row and its time unchanged.
INSERT INTO "LogDigest" AS old (day, figures, markdown, html, "generatedAt")
VALUES (%(day)s, %(figures)s, %(markdown)s, %(html)s, %(now)s)
ON CONFLICT (day) DO UPDATE
SET figures = EXCLUDED.figures, markdown = EXCLUDED.markdown, html = EXCLUDED.html,
    "generatedAt" = EXCLUDED."generatedAt"
WHERE (old.figures, old.markdown, old.html) IS DISTINCT FROM (EXCLUDED.figures, EXCLUDED.markdown, EXCLUDED.html);
