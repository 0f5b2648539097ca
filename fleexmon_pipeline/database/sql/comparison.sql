-- buckets --
-- Lines by bucket, numbered from the start of the compared window: the week before has negative numbers. In floating point,
-- which is exact for whole seconds: EXTRACT would calculate as numeric, at twice the time.
SELECT node, pattern, level,
  floor(date_part('epoch', slot - %(origin)s::timestamp) / %(bucket)s::float8)::int AS bucket,
  sum(count)::bigint AS lines, count(*) AS slots
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s AND node = ANY(%(nodes)s::text[])
GROUP BY 1, 2, 3, 4;

-- enough_memory --
-- For 70,000 groups of a week of counts. The default of 4 MB would sort them on disk.
SET LOCAL work_mem = '32MB';

-- stamp --
SELECT
  (SELECT max("updatedAt") FROM "LogCoverage"
   WHERE slot >= %(since)s AND slot < %(until)s AND node = ANY(%(nodes)s::text[])) AS collected,
  (SELECT sum(count) FROM level_counts(%(since)s, %(until)s) WHERE node = ANY(%(nodes)s::text[])) AS counted,
  (SELECT md5(string_agg(label::text, '' ORDER BY pattern)) FROM "PatternLabel" AS label) AS labelled;

-- first_slot --
SELECT min(slot) AS slot FROM "LogCoverage"
WHERE slot >= %(since)s AND node = ANY(%(nodes)s::text[]) AND status IN ('complete', 'empty', 'partial');

-- known_before --
-- One index lookup for each.
SELECT id FROM unnest(%(ids)s::text[]) AS id
WHERE EXISTS (SELECT FROM "LogPatternCount" AS c WHERE c.pattern = id AND c.slot < %(before)s);

-- collected --
SELECT node, count(*) AS slots FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s AND node = ANY(%(nodes)s::text[]) AND slot_is_known(status)
GROUP BY node;

-- samples --
-- Rows behind a count, newest first.
SELECT level, samples FROM "LogPatternCount"
WHERE pattern = ANY(%(ids)s::text[]) AND slot >= %(since)s AND slot < %(until)s AND node = %(node)s
ORDER BY slot DESC, pattern
LIMIT 20;

-- counted --
SELECT min(slot) AS first, max(slot) AS last FROM "LogPatternCount" WHERE node = ANY(%(nodes)s::text[]);

-- nodes --
-- A skip scan: coverage has a row for each slot and node, and names are few.
WITH RECURSIVE name AS (
  (
    SELECT node FROM "LogCoverage" WHERE %(before)s::timestamp IS NULL OR slot < %(before)s
    ORDER BY node, slot LIMIT 1
  )
  UNION ALL
  SELECT (
    SELECT c.node FROM "LogCoverage" AS c
    WHERE c.node > name.node AND (%(before)s::timestamp IS NULL OR slot < %(before)s)
    ORDER BY c.node, c.slot LIMIT 1
  )
  FROM name WHERE name.node IS NOT NULL
)
SELECT node FROM name WHERE node IS NOT NULL ORDER BY node;

-- busiest --
SELECT node FROM level_counts(%(since)s, %(until)s) WHERE node = ANY(%(nodes)s::text[])
GROUP BY node ORDER BY sum(count) DESC, node LIMIT 1;

-- lock_deployments --
-- Where two sessions record the same node at once, the second sees what the first wrote.
SELECT pg_advisory_xact_lock(hashtextextended('deployment ' || %(node)s, 0));

-- deployed_before --
SELECT version, at, by, source FROM "Deployment" WHERE node = %(node)s AND at <= %(at)s ORDER BY at DESC LIMIT 1;

-- deployed_after --
SELECT version, at, by, source FROM "Deployment" WHERE node = %(node)s AND at > %(at)s ORDER BY at LIMIT 1;

-- record_deployment --
INSERT INTO "Deployment" (node, version, at, by, source) VALUES (%(node)s, %(version)s, %(at)s, %(by)s, %(source)s)
ON CONFLICT (node, at) DO NOTHING;

-- deployments_of_version --
SELECT node, version, at, by, source FROM "Deployment" WHERE node = %(node)s AND version = %(version)s ORDER BY at;

-- remove_deployment --
DELETE FROM "Deployment"
WHERE node = %(node)s AND at = %(at)s AND version = %(version)s AND source = 'person'
RETURNING at;

-- deployments --
-- Newest first, each with the time of the node's next one. The same version again is a restart. This is decided here and
-- not when it is recorded, since hours may be evaluated in any order.
WITH marked AS (
  SELECT node, version, at, by, source, lag(version) OVER (PARTITION BY node ORDER BY at) AS before
  FROM "Deployment" WHERE %(nodes)s::text[] IS NULL OR node = ANY(%(nodes)s)
),
changed AS (
  SELECT node, version, at, by, source, lead(at) OVER (PARTITION BY node ORDER BY at) AS until
  FROM marked WHERE before IS DISTINCT FROM version
)
SELECT node, version, at, by, source, until FROM changed
WHERE at >= %(since)s AND at < %(until)s
ORDER BY at DESC, node LIMIT %(limit)s;

-- hours_to_reevaluate --
-- Hours already evaluated in which this deployment is compared, or the node's next one, which it may shorten or turn
-- into a restart.
SELECT hour FROM "DetectedHour" AS h
WHERE EXISTS (
  SELECT FROM (
    SELECT at FROM "Deployment" WHERE node = %(node)s AND at >= %(at)s ORDER BY at LIMIT 2
  ) AS d
  WHERE h.hour > d.at - interval '1 hour' AND h.hour <= d.at + %(reach)s
)
ORDER BY hour;

-- start_lines --
-- Lines that may announce a version: their patterns are few, and so are their counts. A start is one or two lines.
SELECT e.timestamp, e.source AS node, e.message
FROM "LogPatternCount" AS c
JOIN "LogPattern" AS p ON p.id = c.pattern
JOIN "LogEntry" AS e ON e.id = ANY(c.samples)
WHERE c.slot >= %(since)s AND c.slot < %(until)s AND c.count <= 3 AND p.template ~* %(start_words)s
ORDER BY e.timestamp, e.id
LIMIT 500;

-- metadata_versions --
-- Metadata of a few sampled rows for each slot and node, rather than of all lines.
-- Each row by its id. OFFSET separates this from the condition, which PostgreSQL takes for so rare that it would first read
-- the whole table: 0.47 s at 3 million lines.
SELECT s.slot, s.node, e.timestamp, e.metadata
FROM (
  SELECT DISTINCT ON (slot, node, n) slot, node, pattern, samples, n
  FROM (
    SELECT slot, node, pattern, samples, row_number() OVER (PARTITION BY slot, node ORDER BY count DESC, pattern) AS n
    FROM "LogPatternCount" WHERE slot >= %(since)s AND slot < %(until)s
  ) AS ranked
  WHERE n <= 3
) AS s
CROSS JOIN LATERAL unnest(s.samples) AS sample (id)
CROSS JOIN LATERAL (SELECT id, timestamp, metadata FROM "LogEntry" WHERE id = sample.id OFFSET 0) AS e
WHERE e.metadata ?| %(keys)s::text[]
ORDER BY s.node, e.timestamp, e.id;

-- window_counts --
SELECT node, slot, pattern, level, count AS lines, CASE WHEN steps THEN p50 END AS step, "stepsAfter" AS after
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s;

-- pattern_family --
-- These patterns, what they merged into, and all that merged into one of those, in any number of steps. UNION ends a
-- cycle.
WITH RECURSIVE up AS (
  SELECT unnest(%(ids)s::text[]) AS id
  UNION
  SELECT p."aliasOf" FROM up JOIN "LogPattern" AS p ON p.id = up.id WHERE p."aliasOf" IS NOT NULL
), family AS (
  SELECT id FROM up
  UNION
  SELECT p.id FROM family AS f JOIN "LogPattern" AS p ON p."aliasOf" = f.id
)
SELECT id FROM family;

-- past_counts --
SELECT node, pattern, level, sum(count)::bigint AS lines, sum(count::bigint * count)::bigint AS squares,
  count(*) FILTER (WHERE steps) AS step_slots,
  COALESCE(sum(ln(p50 + %(min_step)s::float8)) FILTER (WHERE steps), 0) AS steps,
  COALESCE(sum(ln(p50 + %(min_step)s::float8) ^ 2) FILTER (WHERE steps), 0) AS step_squares
FROM "LogPatternCount"
WHERE pattern = ANY(%(ids)s::text[]) AND slot >= %(since)s AND slot < %(until)s
GROUP BY node, pattern, level;

-- lines_by_slot --
SELECT node, slot, sum(count)::bigint AS lines FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s GROUP BY node, slot;

-- known_slots --
SELECT node, slot FROM "LogCoverage" WHERE slot >= %(since)s AND slot < %(until)s AND slot_is_known(status);

-- lines_in_trouble --
-- In order of time. Informational lines are recognized only by the usual spellings of their level.
SELECT id, timestamp, source AS node, level, message FROM "LogEntry"
WHERE timestamp >= %(since)s AND timestamp < %(until)s AND lower(level) NOT IN ('info', 'debug', 'trace')
ORDER BY timestamp, id LIMIT %(limit)s;
