-- counts --
-- What rules judge by, slots by number. Samples stay behind: they are read for what fired alone.
SELECT extract(epoch FROM slot)::bigint / 300, node, pattern, level, count
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s;

-- patterns --
-- These patterns and whatever they are aliases of. UNION drops what came up before, so that a circle ends.
WITH RECURSIVE chain AS (
  SELECT id, template, "aliasOf", "aliasSince" FROM "LogPattern" WHERE id = ANY(%(ids)s)
  UNION
  SELECT p.id, p.template, p."aliasOf", p."aliasSince" FROM chain JOIN "LogPattern" p ON p.id = chain."aliasOf"
)
SELECT id, template, "aliasOf" AS alias_of, "aliasSince" AS alias_since FROM chain;

-- samples --
-- Rows behind counts. No patterns means all of them.
SELECT slot, node, pattern, samples
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s AND node = ANY(%(nodes)s) AND level = ANY(%(levels)s)
  AND (%(patterns)s::varchar[] IS NULL OR pattern = ANY(%(patterns)s));

-- times --
-- Ids of other programs do not tell their time.
SELECT id, timestamp FROM "LogEntry" WHERE id = ANY(%(ids)s);

-- matching_lines --
-- The one look at lines: all text rules together. The patterns let through what any of them may want, no less. A hundred
-- of them in one expression took five times as long.
SELECT id, timestamp, source AS node, level, message
FROM "LogEntry"
WHERE timestamp >= %(since)s AND timestamp < %(until)s AND lower(message) LIKE ANY (%(texts)s::text[])
ORDER BY timestamp, id;
