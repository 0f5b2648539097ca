-- lines --
-- Newest first; after a line, the older ones (before_at, before_id). Case does not matter for ASCII letters, whatever the
-- database's collation. Messages are cut here, so that one of a megabyte is not transferred; NULL: they are whole.
SELECT id, timestamp, source AS node, hostname, level, left(message, COALESCE(%(width)s::int, 2147483647)) AS message,
  metadata
FROM "LogEntry"
WHERE timestamp >= %(since)s AND (%(until)s::timestamp IS NULL OR timestamp < %(until)s)
  AND (%(before_at)s::timestamp IS NULL OR (timestamp, id) < (%(before_at)s::timestamp, %(before_id)s::uuid))
  AND (%(node)s::text IS NULL OR source = %(node)s)
  AND (%(levels)s::text[] IS NULL OR level = ANY(%(levels)s))
  AND (%(like)s::text IS NULL OR message COLLATE "C" ILIKE %(like)s)
  AND (%(likes)s::text[] IS NULL OR message COLLATE "C" ILIKE ANY(%(likes)s))
ORDER BY timestamp DESC, id DESC
LIMIT %(limit)s;

-- one --
SELECT id, timestamp, source AS node, hostname, level, left(message, %(width)s) AS message,
  length(message) AS characters, metadata, "createdAt" AS stored_at
FROM "LogEntry" WHERE id = %(id)s;

-- of_ids --
SELECT id, timestamp, source AS node, hostname, level, left(message, %(width)s) AS message, metadata
FROM "LogEntry" WHERE id = ANY (%(ids)s::uuid[])
ORDER BY timestamp DESC, id DESC;

-- neighbours --
-- The lines of the same node directly before and after each of these, within an hour: a node that was silent for days has
-- no neighbours.
SELECT near.*, entry.id AS "of"
FROM unnest(%(ids)s::uuid[], %(times)s::timestamp[], %(nodes)s::text[]) AS entry (id, timestamp, source)
CROSS JOIN LATERAL (
  (
    SELECT id, timestamp, source AS node, hostname, level, left(message, %(width)s) AS message, metadata
    FROM "LogEntry" AS n
    WHERE n.timestamp >= entry.timestamp - interval '1 hour' AND n.timestamp <= entry.timestamp
      AND (n.timestamp, n.id) < (entry.timestamp, entry.id) AND n.source = entry.source
    ORDER BY n.timestamp DESC, n.id DESC LIMIT %(lines)s
  ) UNION ALL (
    SELECT id, timestamp, source AS node, hostname, level, left(message, %(width)s) AS message, metadata
    FROM "LogEntry" AS n
    WHERE n.timestamp >= entry.timestamp AND n.timestamp < entry.timestamp + interval '1 hour'
      AND (n.timestamp, n.id) > (entry.timestamp, entry.id) AND n.source = entry.source
    ORDER BY n.timestamp, n.id LIMIT %(lines)s
  )
) AS near
ORDER BY near.timestamp, near.id;

-- index_scans --
-- Without statistics for its expressions the planner assumes that a trace is frequent, and reads the whole table.
SET LOCAL enable_seqscan = off;

-- any_scans --
SET LOCAL enable_seqscan = on;

-- one_process --
-- To start parallel workers takes longer than the search.
SET LOCAL max_parallel_workers_per_gather = 0;

-- several_processes --
SET LOCAL max_parallel_workers_per_gather TO DEFAULT;

-- of_trace --
-- Lines with this id, under one of the names that loggers use, whose ids are of this part, or before `low`, or from `high` on.
-- Ids alone: joined here, they took 45 ms to look for in each of 37 days. Materialized, so that the index of traces is used
-- and not that of times; with few columns, since an id such as "-" may be on every line.
WITH carried AS MATERIALIZED (
  SELECT id, timestamp FROM "LogEntry"
  WHERE (trace_of(metadata) = %(trace)s OR request_of(metadata) = %(trace)s)
    AND (
      (id >= line_id(%(part_since)s::timestamp) AND (%(part_until)s::timestamp IS NULL OR id < line_id(%(part_until)s::timestamp)))
      OR (%(low)s::timestamp IS NOT NULL AND (id < line_id(%(low)s::timestamp) OR id >= line_id(%(high)s::timestamp)))
    )
    AND (%(node)s::text IS NULL OR source = %(node)s)
    AND (%(levels)s::text[] IS NULL OR level = ANY(%(levels)s))
    AND (%(like)s::text IS NULL OR message COLLATE "C" ILIKE %(like)s)
)
SELECT id FROM carried
WHERE (%(until)s::timestamp IS NULL OR timestamp < %(until)s)
  AND (%(before_at)s::timestamp IS NULL OR (timestamp, id) < (%(before_at)s::timestamp, %(before_id)s::uuid))
ORDER BY timestamp DESC, id DESC
LIMIT %(limit)s;

-- reach --
-- The time since which so many lines are stored; no row if there are fewer. Reads only the index of times.
SELECT timestamp FROM "LogEntry" WHERE timestamp < %(until)s ORDER BY timestamp DESC OFFSET %(lines)s LIMIT 1;

-- samples_of_pattern --
-- Slots in which these patterns had lines, newest first, with the rows that were kept as samples.
SELECT slot, node, level, count, samples FROM "LogPatternCount"
WHERE pattern = ANY (%(patterns)s::text[]) AND slot < %(until)s
  AND (%(node)s::text IS NULL OR node = %(node)s)
  AND (%(levels)s::text[] IS NULL OR level = ANY(%(levels)s))
ORDER BY slot DESC, node, level
LIMIT %(limit)s;

-- histogram --
-- Lines by half hour and level, from counts; lines of the last minutes are not counted yet. `since` begins a half hour.
SELECT floor(extract(epoch FROM at - %(since)s::timestamp) / 1800)::int AS half, level, sum(count)::bigint AS lines
FROM level_counts(%(since)s, %(until)s)
WHERE (%(node)s::text IS NULL OR node = %(node)s)
  AND (%(levels)s::text[] IS NULL OR level = ANY(%(levels)s))
GROUP BY 1, 2;

-- histogram_of_patterns --
-- The same for some patterns, from the index of counts by pattern.
SELECT floor(extract(epoch FROM slot - %(since)s::timestamp) / 1800)::int AS half, level, sum(count)::bigint AS lines
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s
  AND (%(node)s::text IS NULL OR node = %(node)s)
  AND (%(levels)s::text[] IS NULL OR level = ANY(%(levels)s))
  AND pattern = ANY (%(patterns)s::text[])
GROUP BY 1, 2;

-- levels_by_slot --
SELECT (extract(epoch FROM slot - %(since)s::timestamp) / 300)::int AS step, level, sum(count)::bigint AS lines
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s
GROUP BY 1, 2;

-- heard_halves --
-- Half hours in which a node responded, each with its worst slot.
SELECT node, floor(extract(epoch FROM slot - %(since)s::timestamp) / 1800)::int AS half,
  (ARRAY['missing', 'partial', 'complete', 'empty'])[min(array_position(ARRAY['missing', 'partial', 'complete', 'empty'], status::text))]
    AS worst,
  sum(stored)::bigint AS lines
FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s
GROUP BY 1, 2;
