-- counts --
-- What rules are evaluated on, slots by number. Without samples: those are read only for rules that fired.
SELECT extract(epoch FROM slot)::bigint / 300, node, pattern, level, count, p50, p95, steps, variety
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s;

-- patterns --
-- These patterns and the patterns they are aliases of. UNION drops repeated rows, so a circle ends.
WITH RECURSIVE chain AS (
  SELECT id, template, "aliasOf", "aliasSince" FROM "LogPattern" WHERE id = ANY(%(ids)s)
  UNION
  SELECT p.id, p.template, p."aliasOf", p."aliasSince" FROM chain JOIN "LogPattern" p ON p.id = chain."aliasOf"
)
SELECT id, template, "aliasOf" AS alias_of, "aliasSince" AS alias_since FROM chain;

-- samples --
-- Rows behind counts. NULL patterns: all.
SELECT slot, node, pattern, samples
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s AND node = ANY(%(nodes)s) AND level = ANY(%(levels)s)
  AND (%(patterns)s::varchar[] IS NULL OR pattern = ANY(%(patterns)s));

-- times --
-- For ids that other programs made: those do not contain a time.
SELECT id, timestamp FROM "LogEntry" WHERE id = ANY(%(ids)s);

-- messages --
-- The one scan of lines, for all text rules together: a slot's messages, each minute joined to one text, which is four times
-- as fast as row by row. `odd`: whether lines were left out because they are long or contain the separator.
SELECT string_agg(message, chr(1)) FILTER (WHERE NOT odd) AS messages, bool_or(odd) AS odd
FROM (
  SELECT timestamp, message, octet_length(message) > %(longest)s OR strpos(message, chr(1)) > 0 AS odd FROM "LogEntry"
  WHERE timestamp >= %(since)s AND timestamp < %(until)s
) AS lines
GROUP BY date_trunc('minute', timestamp);

-- lines_of_messages --
-- The lines with these messages, and the odd ones of above.
SELECT id, timestamp, source AS node, level, message
FROM "LogEntry"
WHERE timestamp >= %(since)s AND timestamp < %(until)s AND (
  %(messages)s::text[] IS NULL OR message = ANY(%(messages)s::text[])
  OR %(odd)s AND (octet_length(message) > %(longest)s OR strpos(message, chr(1)) > 0)
)
ORDER BY timestamp, id;
