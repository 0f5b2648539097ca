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

-- messages --
-- The one look at lines, for all text rules together: what a slot's lines say, a minute of them in one text, which is four
-- times as fast as row by row. `odd`: whether there are lines that are not in it, since they are long or hold the separator.
SELECT string_agg(message, chr(1)) FILTER (WHERE NOT odd) AS messages, bool_or(odd) AS odd
FROM (
  SELECT timestamp, message, octet_length(message) > %(longest)s OR strpos(message, chr(1)) > 0 AS odd FROM "LogEntry"
  WHERE timestamp >= %(since)s AND timestamp < %(until)s
) AS lines
GROUP BY date_trunc('minute', timestamp);

-- lines_of_messages --
-- The lines that say just that, and those that were not in the text above.
SELECT id, timestamp, source AS node, level, message
FROM "LogEntry"
WHERE timestamp >= %(since)s AND timestamp < %(until)s AND (
  %(messages)s::text[] IS NULL OR message = ANY(%(messages)s::text[])
  OR %(odd)s AND (octet_length(message) > %(longest)s OR strpos(message, chr(1)) > 0)
)
ORDER BY timestamp, id;
