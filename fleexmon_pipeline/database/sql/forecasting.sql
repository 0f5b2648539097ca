-- counts_by_hour --
-- Lines per hour, node and level as stored, hours numbered since 1970: few rows for any number of lines and patterns. As
-- arrays in text form: four weeks of ten nodes are 20,000 values, and reading them as rows took most of the time.
SELECT node, level, string_agg(step::text, ' ') AS steps, string_agg(count::text, ' ') AS counts
FROM (
  SELECT node, level, floor(date_part('epoch', at) / %(seconds)s::float8)::int AS step, sum(count)::bigint AS count
  FROM level_counts(%(since)s, %(until)s)
  GROUP BY 1, 2, 3
) AS counted
GROUP BY node, level;

-- counts_by_slot --
SELECT node, level, string_agg(step::text, ' ') AS steps, string_agg(count::text, ' ') AS counts
FROM (
  SELECT node, level, floor(date_part('epoch', slot) / %(seconds)s::float8)::int AS step, sum(count)::bigint AS count
  FROM "LogPatternCount"
  WHERE slot >= %(since)s AND slot < %(until)s
  GROUP BY 1, 2, 3
) AS counted
GROUP BY node, level;

-- covered_slots --
-- Slots whose lines were all collected: complete or empty, not partial or missing.
SELECT node, string_agg(step::text, ' ') AS steps, string_agg(slots::text, ' ') AS slots
FROM (
  SELECT node, floor(date_part('epoch', slot) / %(seconds)s::float8)::int AS step,
    count(*) FILTER (WHERE slot_is_known(status)) AS slots
  FROM "LogCoverage"
  WHERE slot >= %(since)s AND slot < %(until)s
  GROUP BY 1, 2
) AS covered
GROUP BY node;

-- open_issues --
-- Issues open, and not muted, at that time rather than now. A row that another program resolved may lack resolvedAt;
-- updatedAt stands in for it.
SELECT id, severity
FROM "LogIssue"
WHERE "detectedAt" < %(end)s AND "detectedAt" <= %(found_by)s AND source <> 'predictor'
  AND COALESCE("resolvedAt", CASE WHEN status = 'resolved' THEN "updatedAt" END, 'infinity') >= %(end)s
  AND NOT was_muted(metadata, %(end)s)
ORDER BY "detectedAt" DESC, id;

-- lock --
-- One run forecasts or scores at a time: scores change rows of other hours, so a lock per hour would not do.
SELECT pg_advisory_xact_lock(hashtext('fleexmon forecasts'));

-- top_patterns --
-- The patterns with the most lines on each node, with aliases known by `until` resolved (32 steps end a cycle).
WITH RECURSIVE counted AS (
  SELECT node, pattern, sum(count) AS count
  FROM "LogPatternCount"
  WHERE slot >= %(since)s AND slot < %(until)s
  GROUP BY 1, 2
), chain AS (
  SELECT DISTINCT pattern AS id, pattern::varchar AS root, 0 AS step FROM counted
  UNION ALL
  SELECT chain.id, p."aliasOf", chain.step + 1
  FROM chain JOIN "LogPattern" p ON p.id = chain.root
  WHERE p."aliasOf" IS NOT NULL AND chain.step < 32 AND (p."aliasSince" < %(until)s) IS NOT FALSE
), resolved AS (
  SELECT DISTINCT ON (id) id, root FROM chain ORDER BY id, step DESC
)
SELECT node, root AS pattern
FROM (
  SELECT c.node, r.root, row_number() OVER (PARTITION BY c.node ORDER BY sum(c.count) DESC, r.root) AS place
  FROM counted c JOIN resolved r ON r.id = c.pattern
  GROUP BY c.node, r.root
) AS ranked
WHERE place <= %(most)s
ORDER BY node, place;

-- pattern_counts --
-- Lines per hour, numbered since 1970, of these patterns on these nodes, with those that had merged into them by `merged`:
-- from the sums of days that are summed, else from counts. With LATERAL, by index: PostgreSQL takes a day for most of a month,
-- and would read the whole tables.
WITH RECURSIVE family AS (
  SELECT DISTINCT root::varchar AS root, root::varchar AS id FROM unnest(%(patterns)s::text[]) AS root
  UNION
  SELECT family.root, p.id
  FROM family JOIN "LogPattern" p ON p."aliasOf" = family.id AND (p."aliasSince" < %(merged)s) IS NOT FALSE
), day AS (
  SELECT of.day, of.day >= %(since)s AND of.day + interval '1 day' <= %(until)s
    AND EXISTS (SELECT FROM "SummedDay" AS s WHERE s.day = of.day::date) AS summed
  FROM generate_series(
    date_trunc('day', %(since)s::timestamp), %(until)s::timestamp - interval '1 microsecond', interval '1 day'
  ) AS of (day)
), counted AS (
  SELECT d.node, family.root AS pattern, date_part('epoch', day.day) / 3600 + of.hour AS step, of.lines AS count
  FROM day CROSS JOIN family
  CROSS JOIN LATERAL (
    SELECT node, hours, lines FROM "LogPatternDay" WHERE pattern = family.id AND day = day.day::date OFFSET 0
  ) AS d
  CROSS JOIN LATERAL unnest(d.hours, d.lines) AS of (hour, lines)
  WHERE day.summed
  UNION ALL
  SELECT c.node, family.root, c.step, c.count
  FROM day CROSS JOIN family
  CROSS JOIN LATERAL (
    SELECT node, floor(date_part('epoch', slot) / 3600) AS step, sum(count)::bigint AS count FROM "LogPatternCount"
    WHERE pattern = family.id AND slot >= GREATEST(day.day, %(since)s)
      AND slot < LEAST(day.day + interval '1 day', %(until)s)
    GROUP BY 1, 2
  ) AS c
  WHERE NOT day.summed
)
SELECT node, pattern, string_agg(step::int::text, ' ') AS steps, string_agg(count::text, ' ') AS counts
FROM counted
WHERE (node, pattern) IN (SELECT * FROM unnest(%(nodes)s::text[], %(patterns)s::text[]))
GROUP BY node, pattern;

-- delete_other_forecasts --
-- Forecasts of an earlier run of the same hour that this run does not make.
DELETE FROM "LogForecast" AS f
WHERE f."madeAt" = %(made_at)s AND NOT EXISTS (
  SELECT FROM unnest(%(node)s::text[], %(subject)s::text[], %(horizon)s::int[]) AS made (node, subject, horizon)
  WHERE made.node = f.node AND made.subject = f.subject AND made.horizon = f.horizon
);

-- upsert_forecasts --
-- An unchanged forecast leaves the row and its score alone; a changed one is scored again.
INSERT INTO "LogForecast" AS known (
  "madeAt", node, subject, horizon, hour, value, low, high, "lastHour", "dayBefore", figures
)
SELECT %(made_at)s, made.node, made.subject, made.horizon, made.hour, made.value, made.low, made.high, made."lastHour",
  made."dayBefore", made.figures
FROM unnest(
  %(node)s::text[], %(subject)s::text[], %(horizon)s::int[], %(hour)s::timestamp[], %(value)s::float8[], %(low)s::float8[],
  %(high)s::float8[], %(last_hour)s::float8[], %(day_before)s::float8[], %(figures)s::jsonb[]
) AS made (node, subject, horizon, hour, value, low, high, "lastHour", "dayBefore", figures)
ON CONFLICT ("madeAt", node, subject, horizon) DO UPDATE SET
  hour = EXCLUDED.hour, value = EXCLUDED.value, low = EXCLUDED.low, high = EXCLUDED.high,
  "lastHour" = EXCLUDED."lastHour", "dayBefore" = EXCLUDED."dayBefore", figures = EXCLUDED.figures,
  actual = NULL, hit = NULL
WHERE (known.hour, known.value, known.low, known.high, known."lastHour", known."dayBefore", known.figures)
  IS DISTINCT FROM (EXCLUDED.hour, EXCLUDED.value, EXCLUDED.low, EXCLUDED.high, EXCLUDED."lastHour",
    EXCLUDED."dayBefore", EXCLUDED.figures);

-- score --
-- For hours that were collected in full.
UPDATE "LogForecast" AS f
SET actual = seen.actual, hit = seen.actual BETWEEN f.low AND f.high
FROM unnest(%(node)s::text[], %(hour)s::timestamp[], %(subject)s::text[], %(actual)s::float8[])
  AS seen (node, hour, subject, actual)
WHERE f.hour = seen.hour AND f.node = seen.node AND f.subject = seen.subject AND f.actual IS DISTINCT FROM seen.actual;

-- score_patterns --
-- A pattern includes those that had merged into it when the hour began.
WITH RECURSIVE known AS (
  SELECT node, hour FROM unnest(%(node)s::text[], %(hour)s::timestamp[]) AS known (node, hour)
), forecast AS (
  SELECT DISTINCT f.node, f.hour, f.subject, substr(f.subject, 9) AS root
  FROM "LogForecast" f JOIN known USING (node, hour)
  WHERE f.subject LIKE 'pattern:%%'
), family AS (
  SELECT DISTINCT root::varchar AS root, root::varchar AS id, timestamp '-infinity' AS since FROM forecast
  UNION
  SELECT family.root, p.id, GREATEST(family.since, p."aliasSince")
  FROM family JOIN "LogPattern" p ON p."aliasOf" = family.id
), counted AS (
  SELECT node, pattern, date_trunc('hour', slot) AS hour, sum(count) AS count
  FROM "LogPatternCount"
  WHERE slot >= %(since)s AND slot < %(until)s AND pattern IN (SELECT id FROM family)
  GROUP BY 1, 2, 3
), seen AS (
  SELECT forecast.node, forecast.hour, forecast.subject, COALESCE(sum(c.count), 0)::float8 AS actual
  FROM forecast
  JOIN family ON family.root = forecast.root AND family.since < forecast.hour
  LEFT JOIN counted c ON c.pattern = family.id AND c.node = forecast.node AND c.hour = forecast.hour
  GROUP BY 1, 2, 3
)
UPDATE "LogForecast" AS f
SET actual = seen.actual, hit = seen.actual BETWEEN f.low AND f.high
FROM seen
WHERE f.hour = seen.hour AND f.node = seen.node AND f.subject = seen.subject AND f.actual IS DISTINCT FROM seen.actual;

-- crossings --
-- Announced threshold crossings; there are few.
SELECT "madeAt" AS made_at, node, subject, horizon, value, low, high, actual, hit, figures
FROM "LogForecast"
WHERE figures IS NOT NULL AND "madeAt" >= %(since)s AND "madeAt" <= %(until)s
ORDER BY "madeAt", node, subject, horizon;

-- score_crossing --
UPDATE "LogForecast"
SET actual = %(actual)s, hit = %(hit)s
WHERE "madeAt" = %(made_at)s AND node = %(node)s AND subject = %(subject)s AND horizon = %(horizon)s
  AND (actual, hit) IS DISTINCT FROM (%(actual)s, %(hit)s);

-- record --
-- Accuracy of forecasts for hours that had ended at `until`, by node and subject; of naive ones on the same rows.
SELECT node, subject, count(*) AS scored, count(*) FILTER (WHERE hit) AS held,
  avg(abs(actual - value)) FILTER (WHERE comparable) AS error,
  avg(abs(actual - "lastHour")) FILTER (WHERE comparable) AS last_hour_error,
  avg(abs(actual - "dayBefore")) FILTER (WHERE comparable) AS day_before_error,
  count(*) FILTER (WHERE actual IS NOT NULL) AS came_true
FROM (SELECT *, "lastHour" IS NOT NULL AND "dayBefore" IS NOT NULL AS comparable FROM "LogForecast") AS f
WHERE hour >= %(since)s AND hour + interval '1 hour' <= %(until)s AND hit IS NOT NULL
  AND (%(node)s::text IS NULL OR node = %(node)s)
GROUP BY node, subject
ORDER BY node, subject;
