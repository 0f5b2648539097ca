-- coverage --
-- Which nodes were polled in these slots, and with what outcome.
SELECT node, slot, status FROM "LogCoverage" WHERE slot >= %(since)s AND slot < %(until)s;

-- known_since --
-- The first slot in which each of these nodes ever answered.
SELECT node, (
  SELECT slot FROM "LogCoverage" AS c
  WHERE c.node = polled.node AND slot_is_known(status)
  ORDER BY slot LIMIT 1
) AS slot
FROM unnest(%(nodes)s::text[]) AS polled (node);

-- last_spoke --
-- The last slot with lines before a silence that began before the window that was read.
SELECT slot FROM "LogCoverage"
WHERE node = %(node)s AND slot < %(before)s AND slot >= %(since)s AND status = 'complete'
ORDER BY slot DESC
LIMIT 1;

-- lines_before --
-- Needs one index lookup per slot, and none for most slots of a silence.
SELECT slot, status, CASE WHEN status = 'empty' THEN 0 ELSE (
  SELECT COALESCE(sum(count), 0)::bigint FROM "LogPatternCount" AS c WHERE c.slot = l.slot AND c.node = l.node
) END AS lines
FROM "LogCoverage" AS l
WHERE node = %(node)s AND slot >= %(since)s AND slot < %(until)s AND slot_is_known(status);

-- first_slots --
-- When each of these patterns first had a line. One index lookup each.
SELECT id, (SELECT slot FROM "LogPatternCount" AS c WHERE c.pattern = id ORDER BY slot LIMIT 1) AS slot
FROM unnest(%(ids)s::text[]) AS id;

-- members --
-- Patterns that have merged into these, over any number of steps, and since when.
WITH RECURSIVE member AS (
  SELECT "aliasOf" AS root, id, "aliasSince" AS since FROM "LogPattern" WHERE "aliasOf" = ANY(%(roots)s::text[])
  UNION
  SELECT member.root, p.id, GREATEST(member.since, p."aliasSince") FROM member JOIN "LogPattern" AS p ON p."aliasOf" = member.id
)
SELECT root, id, since FROM member;

-- templates --
SELECT id, template FROM "LogPattern" WHERE id = ANY(%(ids)s::text[]);

-- past --
-- Counts as arrays in text form: a fortnight of six nodes has 300,000 to 1,400,000 rows, and a text is parsed at once. Both
-- arrays have the same, arbitrary order: sorting the rows took five times longer than everything else.
SELECT node, pattern, level,
  string_agg(((date_part('epoch', slot) / 300)::int)::text, ' ') AS slots,
  string_agg(count::text, ' ') AS counts,
  string_agg(concat_ws(' ', (date_part('epoch', slot) / 300)::int, count, p50, p95, steps::int), ' ') FILTER (WHERE p50 IS NOT NULL)
    AS durations,
  string_agg(concat_ws(' ', (date_part('epoch', slot) / 300)::int, count, variety), ' ') FILTER (WHERE variety IS NOT NULL)
    AS varieties
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s AND node = ANY(%(nodes)s::text[])
GROUP BY node, pattern, level
ORDER BY node, pattern, level;

-- past_coverage --
-- Ordered, since the past begins with the first known slot, and rows otherwise come in the order of writing.
SELECT node,
  string_agg((extract(epoch FROM slot)::bigint / 300)::text, ' ' ORDER BY slot)
    FILTER (WHERE slot_is_known(status)) AS known,
  string_agg((extract(epoch FROM slot)::bigint / 300)::text, ' ' ORDER BY slot) FILTER (WHERE status = 'empty') AS empty
FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s AND node = ANY(%(nodes)s::text[])
GROUP BY node;

-- seen_hours --
SELECT hour, "madeOf" AS made_of FROM "DetectedHour" WHERE hour >= %(since)s AND hour < %(until)s ORDER BY hour;

-- look_at_hour --
-- One hash of all inputs of detection for an hour.
SELECT md5(
  COALESCE((
    SELECT string_agg(concat_ws(' ', slot, node, pattern, level, count, p50, p95, steps, variety), '|' ORDER BY slot, node, pattern, level)
    FROM "LogPatternCount" WHERE slot >= %(since)s AND slot < %(until)s
  ), '') || COALESCE((
    SELECT string_agg(concat_ws(' ', slot, node, status), '|' ORDER BY slot, node)
    FROM "LogCoverage" WHERE slot >= %(since)s AND slot < %(until)s
  ), '')
) AS made_of;

-- note_hour --
-- Returns the previous hash if it differs.
WITH before AS (SELECT "madeOf" FROM "DetectedHour" WHERE hour = %(hour)s)
INSERT INTO "DetectedHour" AS known (hour, "madeOf") VALUES (%(hour)s, %(made_of)s)
ON CONFLICT (hour) DO UPDATE SET "madeOf" = EXCLUDED."madeOf" WHERE known."madeOf" <> EXCLUDED."madeOf"
RETURNING (SELECT "madeOf" FROM before) AS before;

-- baseline --
SELECT node, "madeOf" AS made_of, figures FROM "NodeBaseline" WHERE node = ANY(%(nodes)s::text[]) AND day = %(day)s;

-- keep_baseline --
INSERT INTO "NodeBaseline" (node, day, "madeOf", figures) VALUES (%(node)s, %(day)s, %(made_of)s, %(figures)s)
ON CONFLICT (node, day) DO UPDATE SET "madeOf" = EXCLUDED."madeOf", figures = EXCLUDED.figures;

-- delete_shadows --
-- Detectors and predictors each replace the occurrences of their own rules.
DELETE FROM "ShadowOccurrence" AS o
WHERE o.slot >= %(since)s AND o.slot < %(until)s
  AND (%(rules)s::text[] IS NULL OR o.rule = ANY(%(rules)s)) AND NOT EXISTS (
  SELECT FROM unnest(%(fingerprints)s::text[], %(slots)s::timestamp[]) AS fired (fingerprint, slot)
  WHERE fired.fingerprint = o.fingerprint AND fired.slot = o.slot
);

-- upsert_shadow --
-- As for occurrences: with another wording a row stays unchanged if only its title differs.
INSERT INTO "ShadowOccurrence" AS stored (fingerprint, slot, rule, severity, title, nodes, affected, "wordingVersion")
VALUES (%(fingerprint)s, %(slot)s, %(rule)s, %(severity)s, %(title)s, %(nodes)s, %(affected)s, %(wording)s)
ON CONFLICT (fingerprint, slot) DO UPDATE SET
  rule = EXCLUDED.rule, severity = EXCLUDED.severity, title = EXCLUDED.title, nodes = EXCLUDED.nodes,
  affected = EXCLUDED.affected, "wordingVersion" = EXCLUDED."wordingVersion"
WHERE (stored.severity, stored.nodes, stored.affected)
  IS DISTINCT FROM (EXCLUDED.severity, EXCLUDED.nodes, EXCLUDED.affected)
  OR (stored."wordingVersion" = EXCLUDED."wordingVersion" AND stored.title IS DISTINCT FROM EXCLUDED.title);
