-- given_up --
-- Hours of a node whose every incomplete slot has used up its attempts. One slot with attempts left keeps the hour alive.
SELECT node, date_trunc('hour', slot) AS hour, array_agg(slot ORDER BY slot) AS slots,
  (array_agg(error ORDER BY "updatedAt" DESC, slot DESC) FILTER (WHERE error IS NOT NULL))[1] AS error
FROM "LogCoverage"
WHERE slot >= %(since)s AND NOT slot_is_known(status)
GROUP BY 1, 2
HAVING min(attempts) >= %(most)s
ORDER BY 1, 2;

-- stored_gaps --
SELECT fingerprint, slot, metadata
FROM "IssueOccurrence"
WHERE slot >= %(since)s AND source = 'detector' AND rule = %(rule)s;

-- rules_with_occurrences --
SELECT DISTINCT rule FROM "IssueOccurrence"
WHERE slot >= %(since)s AND slot < %(until)s AND source = 'detector';

-- node_facts --
-- Each node that was ever polled. A gap is a slot that is partial, missing, or was never polled. Slots after the last poll
-- of a node that is no longer watched do not count.
-- Nodes by a skip scan: coverage is kept for 400 days.
WITH RECURSIVE name AS (
  (SELECT node FROM "LogCoverage" ORDER BY node LIMIT 1)
  UNION ALL
  SELECT (SELECT c.node FROM "LogCoverage" AS c WHERE c.node > name.node ORDER BY c.node LIMIT 1)
  FROM name WHERE name.node IS NOT NULL
),
asked AS (
  SELECT node,
    (SELECT min(slot) FROM "LogCoverage" AS c WHERE c.node = name.node) AS since,
    (SELECT max(slot) FROM "LogCoverage" AS c WHERE c.node = name.node) + interval '5 minutes' AS until,
    (SELECT slot FROM "LogCoverage" AS c WHERE c.node = name.node AND stored > 0 ORDER BY slot DESC LIMIT 1) AS newest
  FROM name WHERE node IS NOT NULL
),
-- A slot that was never polled has no row. So slots are looked up one by one only for nodes with fewer rows than slots: a
-- month of 1,000 nodes has nine million.
polled AS (
  SELECT node, count(*) AS slots FROM "LogCoverage" WHERE slot >= %(since)s AND slot < %(until)s GROUP BY node
),
due AS (
  SELECT asked.node, GREATEST(asked.since, %(since)s::timestamp) AS since,
    CASE WHEN asked.node = ANY(%(watched)s::text[]) THEN %(until)s::timestamp
      ELSE LEAST(asked.until, %(until)s::timestamp) END AS until
  FROM asked
),
holes AS (
  SELECT node, count(DISTINCT date_trunc('hour', slot)) AS hours, min(slot) AS oldest
  FROM (
    SELECT node, slot FROM "LogCoverage"
    WHERE slot >= %(since)s AND slot < %(until)s AND NOT slot_is_known(status)
    UNION ALL
    SELECT due.node, slots.slot
    FROM due LEFT JOIN polled ON polled.node = due.node
    CROSS JOIN LATERAL generate_series(due.since, due.until - interval '5 minutes', interval '5 minutes') AS slots (slot)
    WHERE COALESCE(polled.slots, 0) < date_part('epoch', due.until - due.since) / 300
      AND NOT EXISTS (SELECT FROM "LogCoverage" AS c WHERE c.node = due.node AND c.slot = slots.slot)
  ) AS hole
  GROUP BY node
),
day AS (
  SELECT node, count(*) FILTER (WHERE status = 'complete') AS complete, count(*) FILTER (WHERE status = 'empty') AS empty,
    count(*) FILTER (WHERE status = 'partial') AS partial, count(*) FILTER (WHERE status = 'missing') AS missing
  FROM "LogCoverage" WHERE slot >= %(day)s::timestamp GROUP BY node
),
-- Most nodes have their last line in the same slot, so each slot is read once, not once per node. With LATERAL, slot by
-- slot: for a join, PostgreSQL read the whole table of lines.
last_lines AS (
  SELECT lines.node, newest, lines.last
  FROM (SELECT DISTINCT newest FROM asked) AS slots
  CROSS JOIN LATERAL (
    SELECT source AS node, max(timestamp) AS last FROM "LogEntry"
    WHERE timestamp >= newest AND timestamp < newest + interval '5 minutes'
    GROUP BY source
  ) AS lines
),
bad AS (SELECT source AS node, count(*) AS records FROM "RejectedLog" GROUP BY 1)
SELECT asked.node, asked.since, last_lines.last, COALESCE(complete, 0) AS complete, COALESCE(empty, 0) AS empty,
  COALESCE(partial, 0) AS partial, COALESCE(missing, 0) AS missing, COALESCE(hours, 0) AS hours, oldest,
  COALESCE(records, 0) AS rejected
FROM asked
LEFT JOIN holes USING (node) LEFT JOIN day USING (node) LEFT JOIN bad USING (node)
LEFT JOIN last_lines ON last_lines.node = asked.node AND last_lines.newest = asked.newest
ORDER BY asked.node;
