-- rejected --
-- Newest first, for people.
SELECT id, source AS node, hostname, reason, payload, "windowStart", "windowEnd", run
FROM "RejectedLog"
WHERE (%(node)s::text IS NULL OR source = %(node)s)
  AND (%(until)s::timestamp IS NULL OR slot < %(until)s) AND (%(since)s::timestamp IS NULL OR "windowEnd" > %(since)s)
  AND (%(reason)s::text IS NULL OR strpos(lower(reason), lower(%(reason)s)) > 0)
ORDER BY slot DESC, source, id
LIMIT %(limit)s;

-- reasons --
-- Records per kind of reason: the text after the colon differs from record to record.
SELECT source AS node, split_part(reason, ':', 1) AS reason, count(*) AS records
FROM "RejectedLog"
WHERE (%(node)s::text IS NULL OR source = %(node)s)
  AND (%(until)s::timestamp IS NULL OR slot < %(until)s) AND (%(since)s::timestamp IS NULL OR "windowEnd" > %(since)s)
  AND (%(reason)s::text IS NULL OR strpos(lower(reason), lower(%(reason)s)) > 0)
GROUP BY 1, 2
ORDER BY records DESC, 1, 2;

-- payloads --
-- Identical records together, compared byte by byte.
SELECT id, source, hostname, payload, reason, slot, "createdAt"
FROM "RejectedLog"
WHERE (%(node)s::text IS NULL OR source = %(node)s)
  AND (%(until)s::timestamp IS NULL OR slot < %(until)s) AND (%(since)s::timestamp IS NULL OR "windowEnd" > %(since)s)
  AND (%(reason)s::text IS NULL OR strpos(lower(reason), lower(%(reason)s)) > 0)
ORDER BY source COLLATE "C", payload COLLATE "C", id;

-- of_earlier_runs --
-- From overlapping windows. Without records that were rejected just now, which cannot have become readable.
SELECT count(*) AS records
FROM "RejectedLog"
WHERE source = %(node)s AND slot < %(until)s AND "windowEnd" > %(since)s AND "createdAt" < now();

-- lines --
SELECT id FROM "LogEntry" WHERE id = ANY(%(ids)s::uuid[]);

-- take --
DELETE FROM "RejectedLog" WHERE id = ANY(%(ids)s::uuid[]) RETURNING id;

-- twins --
-- Lines stored in the same transaction that rejected the record.
SELECT e.id
FROM unnest(%(ids)s::uuid[], %(created)s::timestamp[]) AS mended (id, created)
JOIN "LogEntry" AS e ON e.id = mended.id AND e."createdAt" = mended.created;

-- recount --
-- Set stored and rejected to the counts of the tables. A slot that was never polled gets no row: coverage begins with the
-- first polled window.
UPDATE "LogCoverage" AS c
SET stored = counted.stored, rejected = counted.rejected, received = counted.stored + counted.rejected, duplicate = 0,
  status = CASE
    WHEN slot_is_known(c.status)
      THEN CASE WHEN counted.stored + counted.rejected > 0 THEN 'complete' ELSE 'empty' END
    WHEN counted.stored > 0 THEN 'partial' ELSE c.status END  -- not "updatedAt": no node was polled
FROM (
  SELECT slot,
    (SELECT count(*) FROM "LogEntry"
     WHERE timestamp >= slot AND timestamp < slot + interval '5 minutes' AND source = %(node)s) AS stored,
    (SELECT count(*) FROM "RejectedLog" AS r WHERE r.slot = changed.slot AND r.source = %(node)s) AS rejected
  FROM unnest(%(slots)s::timestamp[]) AS changed (slot)
) AS counted
WHERE c.node = %(node)s AND c.slot = counted.slot
  AND (c.stored, c.rejected) IS DISTINCT FROM (counted.stored, counted.rejected);
