-- lock_hour --
-- Two runs may hold the same hour (a range and a tick): the second waits here. Taken hour by hour, ascending.
SELECT pg_advisory_xact_lock(hashtextextended('analyzed_logs' || %(hour)s::timestamp::text, 0));

-- lines_of_slot --
-- Newest first, so that the first rows of a pattern are its samples. Microseconds, since a datetime costs more than the
-- rest of a row. The miner only reads the start of a message. Requests are only followed through the newest lines, and
-- naming that of every line would take a fifth of the time.
SELECT id::text, (extract(epoch FROM timestamp) * 1000000)::bigint, left(trim(level), 32), source,
       left(message, %(longest)s),
       CASE WHEN timestamp >= LEAST(%(until)s::timestamp - %(followed)s::interval, COALESCE((
         SELECT timestamp FROM "LogEntry" WHERE timestamp >= %(since)s AND timestamp < %(until)s
         ORDER BY timestamp DESC OFFSET %(least)s LIMIT 1
       ), %(since)s::timestamp)) THEN COALESCE(trace_of(metadata), request_of(metadata)) END
FROM "LogEntry"
WHERE timestamp >= %(since)s AND timestamp < %(until)s
ORDER BY timestamp DESC, id DESC;

-- counts_of_slot --
SELECT node, pattern, level, count, samples::text, p50, p95, steps, "stepsAfter", variety
FROM "LogPatternCount"
WHERE slot = %(slot)s;

-- delete_counts --
DELETE FROM "LogPatternCount"
WHERE slot = %(slot)s
  AND (node, pattern, level) IN (SELECT * FROM unnest(%(nodes)s::text[], %(patterns)s::text[], %(levels)s::text[]));

-- copy_counts --
COPY "LogPatternCount" (slot, node, pattern, level, count, samples, p50, p95, steps, "stepsAfter", variety) FROM STDIN;

-- forget_summed --
DELETE FROM "SummedDay" WHERE day = %(since)s::timestamp::date;

-- days_to_sum --
SELECT of.day
FROM generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '1 day', interval '1 day') AS of (day)
WHERE NOT EXISTS (SELECT FROM "SummedDay" AS summed WHERE summed.day = of.day::date)
ORDER BY of.day;

-- lock_day --
-- `lock_hour` of all its hours, ascending.
SELECT pg_advisory_xact_lock(hashtextextended('analyzed_logs' || hour::text, 0))
FROM generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '1 hour', interval '1 hour') AS hour;

-- delete_day_sums --
DELETE FROM "LogPatternDay" WHERE day = %(since)s::timestamp::date;

-- sum_day --
INSERT INTO "LogPatternDay" (pattern, day, node, count, hours, lines)
SELECT pattern, %(since)s::timestamp::date, node, sum(lines), array_agg(hour ORDER BY hour), array_agg(lines ORDER BY hour)
FROM (
  SELECT pattern, node, date_part('hour', slot)::smallint AS hour, sum(count)::bigint AS lines
  FROM "LogPatternCount" WHERE slot >= %(since)s AND slot < %(until)s
  GROUP BY 1, 2, 3
) AS counted
GROUP BY pattern, node ORDER BY pattern, node;

-- mark_summed --
INSERT INTO "SummedDay" (day) VALUES (%(since)s::timestamp::date) ON CONFLICT DO NOTHING;

-- expire_day_sums --
WITH gone AS (DELETE FROM "SummedDay" WHERE day < %(before)s::timestamp::date)
DELETE FROM "LogPatternDay" WHERE day < %(before)s::timestamp::date;

-- stale_slots --
-- Slots whose counts differ from "LogEntry", and slots whose lines are all gone.
SELECT slot
FROM (
  SELECT date_bin('5 minutes', timestamp, TIMESTAMP '1970-01-01') AS slot, source AS node, count(*) AS lines
  FROM "LogEntry"
  WHERE timestamp >= %(since)s AND timestamp < %(until)s
  GROUP BY 1, 2
) held
FULL JOIN (
  SELECT slot, node, sum(count) AS lines
  FROM "LogPatternCount"
  WHERE slot >= %(since)s AND slot < %(until)s
  GROUP BY 1, 2
) counted USING (slot, node)
WHERE held.lines IS DISTINCT FROM counted.lines
GROUP BY slot
ORDER BY slot;

-- lines_by_id --
SELECT id, date_bin('5 minutes', timestamp, TIMESTAMP '1970-01-01') AS slot, source AS node FROM "LogEntry"
WHERE timestamp >= %(since)s AND timestamp < %(until)s;

-- lines_counted --
SELECT slot, node, sum(count)::bigint AS lines FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s GROUP BY slot, node;

-- load --
-- The latest patterns with their lines of the last counted day, which merging uses as weights. Aliases lead to patterns
-- seen at least as late, so that a chain is hardly ever cut. The condition has both ends of the day: if PostgreSQL does not
-- know the value of a limit, it estimates that a third of all counts is beyond it, and reads all of them.
WITH recent AS (
  SELECT pattern, sum(count)::bigint AS lines
  FROM "LogPatternCount"
  WHERE slot > (SELECT max(slot) FROM "LogPatternCount") - INTERVAL '1 day'
    AND slot <= (SELECT max(slot) FROM "LogPatternCount")
  GROUP BY pattern
)
SELECT id, template, "aliasOf", coalesce(lines, 1)
FROM (
  SELECT id, template, "aliasOf"
  FROM "LogPattern"
  WHERE "maskVersion" = %(mask_version)s
  ORDER BY "lastSeen" DESC, id
  LIMIT %(limit)s
) latest
LEFT JOIN recent ON recent.pattern = latest.id;

-- seen --
SELECT id, level, "firstSeen", "lastSeen"
FROM "LogPattern"
WHERE id = ANY(%(ids)s);

-- upsert --
-- One statement, in the order of ids: two runs lock shared rows in the same order, and an alias may point to a row that
-- comes later. A level outranks those before it in `ranks`. An alias keeps its target and slot: ids under an issue never
-- move. An id known from an older mask version only starts anew: its alias may have led to what is under it now. It keeps
-- the slot of its merge, also while it has no alias yet: new masks learn merges wherever a rerun begins, and slots that
-- were grouped, or were not, stay so.
INSERT INTO "LogPattern" AS known (id, template, level, "firstSeen", "lastSeen", "maskVersion", "aliasOf", "aliasSince")
SELECT id, template, level, first, last, %(mask_version)s, alias, CASE WHEN alias IS NOT NULL THEN since END
FROM unnest(
  %(ids)s::text[], %(templates)s::text[], %(levels)s::text[], %(first)s::timestamp[], %(last)s::timestamp[],
  %(aliases)s::text[], %(since)s::timestamp[]
) AS seen (id, template, level, first, last, alias, since)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET
  template = excluded.template,
  level = CASE
    WHEN (coalesce(array_position(%(ranks)s::text[], excluded.level), 0), excluded.level)
       > (coalesce(array_position(%(ranks)s::text[], known.level::text), 0), known.level::text)
    THEN excluded.level ELSE known.level END,
  "firstSeen" = least(known."firstSeen", excluded."firstSeen"),
  "lastSeen" = greatest(known."lastSeen", excluded."lastSeen"),
  "maskVersion" = excluded."maskVersion",
  "aliasOf" = CASE WHEN known."aliasOf" IS NULL OR known."maskVersion" <> excluded."maskVersion"
              THEN excluded."aliasOf" ELSE known."aliasOf" END,
  "aliasSince" = CASE WHEN known."aliasOf" IS NULL THEN coalesce(known."aliasSince", excluded."aliasSince")
                 ELSE known."aliasSince" END
WHERE known.template <> excluded.template
   OR (coalesce(array_position(%(ranks)s::text[], excluded.level), 0), excluded.level)
    > (coalesce(array_position(%(ranks)s::text[], known.level::text), 0), known.level::text)
   OR known."firstSeen" > excluded."firstSeen"
   OR known."lastSeen" < excluded."lastSeen"
   OR known."maskVersion" <> excluded."maskVersion"
   OR (known."aliasOf" IS NULL AND excluded."aliasOf" IS NOT NULL);

-- outdated --
-- Ids of an older mask version that the window no longer has, and that do not lead to a current pattern yet.
SELECT old.id
FROM "LogPattern" old LEFT JOIN "LogPattern" target ON target.id = old."aliasOf"
WHERE old.id = ANY(%(ids)s) AND old."maskVersion" <> %(mask_version)s
  AND target."maskVersion" IS DISTINCT FROM %(mask_version)s;

-- messages --
SELECT id::text, left(message, %(longest)s) FROM "LogEntry" WHERE id = ANY(%(ids)s::uuid[]);

-- succeed --
-- Ids of an older mask version, and what they had merged into, become aliases of the current pattern of their lines, for
-- all slots; the current pattern becomes as old as they are, or a new version would make everything new. Locked in the
-- order of ids.
WITH RECURSIVE chain AS (
  SELECT p.id, moved.successor, p."aliasOf", p."firstSeen", 0 AS step
  FROM unnest(%(ids)s::text[], %(successors)s::text[]) AS moved (id, successor) JOIN "LogPattern" p USING (id)
  UNION ALL
  SELECT p.id, chain.successor, p."aliasOf", p."firstSeen", step + 1
  FROM chain JOIN "LogPattern" p ON p.id = chain."aliasOf" AND p."maskVersion" <> %(mask_version)s
  WHERE step < 32
), one AS (
  SELECT DISTINCT ON (id) id, successor FROM chain ORDER BY id, step, successor
), oldest AS (
  SELECT successor, min("firstSeen") AS first FROM chain GROUP BY successor
), locked AS (
  SELECT id FROM "LogPattern" WHERE id IN (SELECT id FROM one UNION SELECT successor FROM oldest) ORDER BY id FOR UPDATE
)
UPDATE "LogPattern" p SET
  "aliasOf" = CASE WHEN p."maskVersion" = %(mask_version)s THEN p."aliasOf" ELSE coalesce(one.successor, p."aliasOf") END,
  "aliasSince" = CASE WHEN p."maskVersion" = %(mask_version)s OR one.successor IS NULL THEN p."aliasSince" END,
  "firstSeen" = least(p."firstSeen", oldest.first)
FROM locked LEFT JOIN one USING (id) LEFT JOIN oldest ON oldest.successor = locked.id
WHERE p.id = locked.id;

-- first_seen_inside --
SELECT id
FROM "LogPattern"
WHERE id = ANY(%(ids)s) AND "firstSeen" >= %(since)s AND "firstSeen" < %(until)s
ORDER BY id;

-- lines_gone --
SELECT (SELECT COALESCE(sum(count), 0) FROM "LogPatternCount" WHERE slot >= %(since)s AND slot < %(until)s)
     > (SELECT count(*) FROM "LogEntry" WHERE timestamp >= %(since)s AND timestamp < %(until)s) AS gone;

-- health --
-- The 24 hours up to the newest counted slot, aliases resolved (32 steps end a circle). Both ends: see `load`.
WITH RECURSIVE day AS (
  SELECT max(slot) - INTERVAL '24 hours' AS begun, max(slot) AS newest FROM "LogPatternCount"
), counted AS (
  SELECT pattern, sum(count)::bigint AS lines FROM "LogPatternCount"
  WHERE slot > (SELECT begun FROM day) AND slot <= (SELECT newest FROM day) GROUP BY pattern
), chain AS (
  SELECT pattern AS id, pattern::varchar AS root, 0 AS step FROM counted
  UNION ALL
  SELECT chain.id, p."aliasOf", chain.step + 1
  FROM chain JOIN "LogPattern" p ON p.id = chain.root
  WHERE p."aliasOf" IS NOT NULL AND chain.step < 32
), family AS (
  SELECT root, sum(lines)::bigint AS lines
  FROM (SELECT DISTINCT ON (id) id, root FROM chain ORDER BY id, step DESC) last JOIN counted ON counted.pattern = last.id
  GROUP BY root
)
SELECT coalesce(sum(f.lines), 0)::bigint AS lines, count(*) AS patterns, count(*) FILTER (WHERE f.lines = 1) AS single,
       coalesce(max(f.lines), 0)::bigint AS largest, (array_agg(p.template ORDER BY f.lines DESC, p.id))[1] AS largest_template,
       count(*) FILTER (WHERE p."firstSeen" > begun) AS new,
       EXISTS (SELECT FROM "LogPattern", day WHERE "firstSeen" <= begun) AS older
FROM day LEFT JOIN family f ON true LEFT JOIN "LogPattern" p ON p.id = f.root
GROUP BY begun;

-- lines_of_patterns --
-- The newest lines of each node's largest patterns in the 24 hours up to the newest counted slot, for the quality figure.
-- Both ends: see `load`.
WITH day AS (
  SELECT max(slot) - INTERVAL '24 hours' AS begun, max(slot) AS newest FROM "LogPatternCount"
), counted AS (
  SELECT node, pattern, sum(count) AS lines,
         (array_agg(samples[1] ORDER BY slot DESC) FILTER (WHERE samples[1] IS NOT NULL))[1:%(lines)s] AS sampled
  FROM "LogPatternCount"
  WHERE slot > (SELECT begun FROM day) AND slot <= (SELECT newest FROM day)
  GROUP BY node, pattern
), ranked AS (
  SELECT node, pattern, sampled, row_number() OVER (PARTITION BY node ORDER BY lines DESC, pattern) AS rank FROM counted
)
SELECT ranked.node, ranked.pattern, left(entry.message, %(chars)s), day.newest
FROM day, ranked CROSS JOIN unnest(ranked.sampled) AS sample JOIN "LogEntry" entry ON entry.id = sample
WHERE ranked.rank <= %(patterns)s
ORDER BY ranked.node, ranked.pattern, entry.id;
