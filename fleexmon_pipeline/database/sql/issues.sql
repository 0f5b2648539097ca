-- list --
-- Newest first. Open ones come from the index of open rows, however many have been resolved.
SELECT id, severity, status, type, source, title, metadata -> 'nodes' AS nodes, "detectedAt", "updatedAt", "resolvedAt",
  metadata -> 'occurrences' AS occurrences, metadata -> 'affectedCount' AS "affectedCount",
  metadata -> 'regressionOf' AS "regressionOf"
FROM "LogIssue"
WHERE (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(severity)s::text IS NULL OR severity = %(severity)s)
  AND (%(node)s::text IS NULL OR metadata -> 'nodes' ? %(node)s)
  AND (%(since)s::timestamp IS NULL OR "updatedAt" >= %(since)s)
ORDER BY "updatedAt" DESC, id
LIMIT %(limit)s;

-- by_prefix --
-- Two are enough to know that a prefix is ambiguous; the count says how much so.
SELECT id, count(*) OVER () AS count
FROM "LogIssue"
WHERE id >= %(least)s AND id <= %(greatest)s
ORDER BY id
LIMIT 3;

-- one --
SELECT * FROM "LogIssue" WHERE id = %(id)s;

-- occurrences --
-- The latest of the episode; an issue that fires all day has 288.
SELECT o.slot, o.severity, o.title, o.affected, o.nodes
FROM "IssueEpisode" AS e
JOIN "IssueOccurrence" AS o ON o.fingerprint = e.fingerprint AND o.slot BETWEEN e."firstSlot" AND e."lastSlot"
WHERE e.id = %(id)s
ORDER BY o.slot DESC
LIMIT %(limit)s;

-- evidence --
-- Messages are cut here: one of a megabyte need not travel.
SELECT id, timestamp, source AS node, level, left(message, %(width)s + 1) AS message
FROM "LogEntry"
WHERE id = ANY (%(ids)s::uuid[])
ORDER BY timestamp DESC, id DESC
LIMIT %(limit)s;
