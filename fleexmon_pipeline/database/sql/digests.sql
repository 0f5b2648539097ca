-- hourly_counts --
-- Lines per hour, node and level: a digest scans neither LogEntry nor the counts of patterns.
SELECT date_trunc('hour', at) AS start, node, level, sum(count)::bigint AS count
FROM level_counts(%(since)s, %(until)s)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;

-- daily_counts --
-- The same for earlier days, to compare with; of each only the time of day that the digest's day has reached: whole half
-- hours, and the slots of the current one.
SELECT start, node, level, sum(count)::bigint AS count
FROM (
  SELECT date_trunc('day', half) AS start, node, level,
    CASE WHEN half + interval '30 minutes' - date_trunc('day', half) <= %(so_far)s THEN count ELSE 0 END AS count
  FROM "LogLevelCount"
  WHERE half >= %(since)s AND half < %(until)s
  UNION ALL
  SELECT day, rest.node, rest.level, rest.count
  FROM generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '1 day', interval '1 day') AS day
  CROSS JOIN LATERAL (
    SELECT node, level, sum(count) AS count FROM "LogPatternCount"
    WHERE slot >= date_bin('30 minutes', day + %(so_far)s, TIMESTAMP '1970-01-01') AND slot < day + %(so_far)s
    GROUP BY 1, 2
  ) AS rest
  WHERE date_bin('30 minutes', day + %(so_far)s, TIMESTAMP '1970-01-01') < day + %(so_far)s
) AS counted
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;

-- coverage --
SELECT node, slot, status, stored, rejected
FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s
ORDER BY node, slot;

-- covered_slots --
-- How much of each day is covered, up to the time of day that the digest's day has reached.
SELECT node, date_trunc('day', slot) AS day, count(*) AS slots
FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s AND slot - date_trunc('day', slot) < %(so_far)s AND slot_is_known(status)
GROUP BY 1, 2;

-- first_polls --
-- Since when slots of a node are expected. A node not polled since `recent` was removed and is not missing. A skip scan,
-- because coverage has a row for each slot and node: it needs two or three look-ups per node.
WITH RECURSIVE name AS (
  (SELECT node FROM "LogCoverage" ORDER BY node LIMIT 1)
  UNION ALL
  SELECT (SELECT c.node FROM "LogCoverage" AS c WHERE c.node > name.node ORDER BY c.node LIMIT 1)
  FROM name WHERE name.node IS NOT NULL
)
SELECT node, (SELECT min(c.slot) FROM "LogCoverage" AS c WHERE c.node = name.node) AS first
FROM name
WHERE EXISTS (
  SELECT FROM "LogCoverage" AS c WHERE c.node = name.node AND c.slot >= %(recent)s AND c.slot < %(until)s
)
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
