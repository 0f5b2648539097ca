-- lock_hour --
-- Two runs may hold the same hour of a node. The second waits here instead of deadlocking on rows. A run holds one at a
-- time.
SELECT pg_advisory_xact_lock(hashtextextended('raw_logs' || %(node)s || %(hour)s::text, 0));

-- held_lines --
-- The stored lines of a window, for all nodes at once: lines are indexed by time, so a query for each of 1,000 nodes would
-- read the lines of 999 others.
SELECT source AS node, date_bin('5 minutes', timestamp, '2000-01-01') AS slot, count(*) AS lines
FROM "LogEntry"
WHERE timestamp >= %(since)s AND timestamp < %(until)s
GROUP BY 1, 2;

-- holds_lines --
-- Whether the table has lines of this window and node. If not, COPY goes straight into it.
SELECT EXISTS (
  SELECT FROM "LogEntry" WHERE timestamp >= %(since)s AND timestamp < %(until)s AND source = %(node)s
) AS holds;

-- stored_before --
-- The counts of coverage for a node's window.
SELECT COALESCE(sum(stored), 0)::bigint AS lines FROM "LogCoverage"
WHERE node = %(node)s AND slot >= %(since)s AND slot < %(until)s;

-- known_lines --
-- The stored lines of a node's slot: how many, and their ids concatenated in the order in which nodes usually send them.
-- One value, because one row per id takes four times as long.
SELECT count(*) AS lines, string_agg(uuid_send(id), '' ORDER BY timestamp) AS ids
FROM "LogEntry"
WHERE timestamp >= %(since)s AND timestamp < %(until)s AND source = %(node)s;

-- make_staging --
CREATE TEMPORARY TABLE IF NOT EXISTS staged (LIKE "LogEntry") ON COMMIT DELETE ROWS;

-- copy_to_staging --
COPY staged (level, source, hostname, id, timestamp, message, metadata) FROM STDIN (FORMAT binary);

-- copy_to_log --
COPY "LogEntry" (level, source, hostname, id, timestamp, message, metadata) FROM STDIN (FORMAT binary);

-- clear_staging --
TRUNCATE staged;

-- insert_staged --
-- Ordered by id, so that two processes with different windows never deadlock. Returns new lines by slot.
WITH new AS (
  INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, metadata)
  SELECT id, timestamp, level, message, source, hostname, metadata FROM staged ORDER BY id
  ON CONFLICT (id) DO NOTHING
  RETURNING timestamp
)
SELECT date_bin('5 minutes', timestamp, '2000-01-01') AS slot, count(*) AS lines FROM new GROUP BY 1;

-- reject --
INSERT INTO "RejectedLog" (id, source, hostname, payload, reason, slot, "windowStart", "windowEnd", run)
SELECT id, %(source)s, %(hostname)s, payload, reason, %(slot)s, %(since)s, %(until)s, %(run)s
FROM unnest(%(ids)s::uuid[], %(payloads)s::text[], %(reasons)s::text[]) AS given(id, payload, reason)
ON CONFLICT (id) DO NOTHING;

-- cover_answered --
-- The coverage that results from an answer. stored and rejected are counted from the tables, so that collecting again
-- cannot count twice; `counted` means that they were counted on the way. An answer that breaks off never downgrades a
-- complete slot.
WITH slots AS (
  SELECT slot, slot + interval '5 minutes' AS ends
  FROM generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '5 minutes', interval '5 minutes') AS slot
),
stored AS (
  SELECT slot, stored FROM unnest(%(slots)s::timestamp[], %(counts)s::bigint[]) AS given(slot, stored)
  UNION ALL
  SELECT date_bin('5 minutes', timestamp, '2000-01-01') AS slot, count(*) AS stored
  FROM "LogEntry"
  WHERE NOT %(counted)s::boolean AND timestamp >= %(since)s AND timestamp < %(until)s AND source = %(node)s
  GROUP BY 1
),
rejected AS (
  SELECT slot, count(*) AS rejected
  FROM "RejectedLog"
  WHERE slot >= %(since)s AND slot < %(until)s AND source = %(node)s
  GROUP BY 1
),
known AS (
  SELECT slots.slot, COALESCE(stored, 0) AS stored, COALESCE(rejected, 0) AS rejected
  FROM slots LEFT JOIN stored USING (slot) LEFT JOIN rejected USING (slot)
)
INSERT INTO "LogCoverage" AS c (node, slot, status, received, stored, rejected, error, run, "updatedAt")
SELECT
  %(node)s, slot,
  CASE WHEN %(error)s::text IS NOT NULL THEN 'partial' WHEN stored + rejected > 0 THEN 'complete' ELSE 'empty' END,
  stored + rejected, stored, rejected, %(error)s, %(run)s, %(now)s
FROM known
ON CONFLICT (node, slot) DO UPDATE SET
  status = CASE
    WHEN excluded.status = 'partial' AND slot_is_known(c.status)
      THEN CASE WHEN excluded.received > 0 THEN 'complete' ELSE c.status END
    ELSE excluded.status END,
  error = CASE WHEN excluded.status = 'partial' AND slot_is_known(c.status) THEN c.error ELSE excluded.error END,
  received = excluded.received, stored = excluded.stored, rejected = excluded.rejected, duplicate = 0,
  -- Only a retry that was due counts: otherwise the ticks of one hour with broken answers would use up all attempts.
  attempts = c.attempts + (NOT slot_is_known(c.status) AND c."updatedAt"
    + LEAST(interval '5 minutes' * power(2, LEAST(c.attempts, 10)), interval '30 minutes') <= excluded."updatedAt")::integer,
  run = excluded.run, "updatedAt" = excluded."updatedAt"
-- Lines deleted by retention do not make a slot empty: an answer with fewer lines than before changes nothing.
WHERE ((c.status, c.received, c.stored, c.rejected) IS DISTINCT FROM
       (excluded.status, excluded.received, excluded.stored, excluded.rejected) OR excluded.error IS NOT NULL)
  AND (excluded.received >= c.received OR NOT slot_is_known(c.status));

-- cover_unanswered --
-- The node did not answer: missing, unless an earlier answer is stored.
INSERT INTO "LogCoverage" AS c (node, slot, status, error, run, "updatedAt")
SELECT %(node)s, slot, 'missing', %(error)s, %(run)s, %(now)s
FROM generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '5 minutes', interval '5 minutes') AS slot
ON CONFLICT (node, slot) DO UPDATE SET
  error = excluded.error, run = excluded.run,
  -- While the node does not respond at all, it is not given up: it may be back after the weekend.
  attempts = CASE
    WHEN c."updatedAt" + LEAST(interval '5 minutes' * power(2, LEAST(c.attempts, 10)), interval '30 minutes')
      > excluded."updatedAt" THEN c.attempts
    WHEN EXISTS (
      SELECT FROM "LogCoverage" n
      WHERE n.node = c.node AND slot_is_known(n.status) AND n.error IS NULL AND n."updatedAt" > c."updatedAt"
    ) THEN c.attempts + 1 ELSE GREATEST(c.attempts, LEAST(c.attempts + 1, 8)) END,
  "updatedAt" = excluded."updatedAt"
WHERE NOT slot_is_known(c.status);

-- confirm --
-- Lines may come up to 70 minutes after their hour's end. A slot is final once its node has answered after that, which
-- "updatedAt" shows. A failed poll leaves its error, and the slot is polled again. It is never given up, since nobody would
-- notice: from the eighth attempt on every 6 hours. Runs before cover_answered, which leaves that error alone.
UPDATE "LogCoverage" SET error = %(error)s, "updatedAt" = %(now)s, run = %(run)s,
  attempts = CASE WHEN %(error)s::text IS NULL THEN attempts ELSE LEAST(attempts + 1, 8) END
WHERE node = %(node)s AND slot >= %(since)s AND slot < %(until)s AND slot_is_known(status)
  AND ("updatedAt" < date_trunc('hour', slot) + interval '130 minutes' OR error IS NOT NULL)
  AND date_trunc('hour', slot) + interval '130 minutes' <= %(now)s;

-- slot_statuses --
SELECT node, slot, CASE
    WHEN slot_is_known(status) AND date_trunc('hour', slot) + interval '130 minutes' <= %(now)s
      AND ("updatedAt" < date_trunc('hour', slot) + interval '130 minutes' OR error IS NOT NULL) THEN 'unconfirmed'
    ELSE status END AS status
FROM "LogCoverage" WHERE slot >= %(since)s AND slot < %(until)s;

-- down --
SELECT node FROM "LogCoverage"
WHERE slot >= %(since)s AND slot < %(until)s
GROUP BY node HAVING bool_and(status = 'missing');

-- gaps --
-- Incomplete slots of watched nodes, for the check.
SELECT node, status, count(*) AS slots, min(slot) AS since, max(slot) + interval '5 minutes' AS until,
  (array_agg(error ORDER BY slot DESC))[1] AS error
FROM "LogCoverage"
WHERE slot >= %(since)s AND NOT slot_is_known(status) AND node = ANY(%(nodes)s)
GROUP BY node, status
ORDER BY node, status;

-- covered_until --
SELECT max(slot) + interval '5 minutes' AS until FROM "LogCoverage" WHERE slot >= %(since)s AND slot < %(until)s;

-- levels_by_slot --
SELECT date_bin('5 minutes', timestamp, TIMESTAMP '2000-01-01') AS slot, level, count(*) AS lines
FROM "LogEntry"
WHERE timestamp >= %(since)s AND timestamp < %(until)s
GROUP BY 1, 2;
