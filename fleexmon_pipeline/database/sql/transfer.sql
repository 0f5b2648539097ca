-- logs --
-- Everything as text, so that nothing is rounded: numbers of JSON, times of other programs such as infinity.
SELECT id::text, CASE WHEN timestamp BETWEEN '0001-01-01' AND '9999-12-31'
    THEN to_char(timestamp, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE timestamp::text END AS timestamp, level, message, source, hostname, metadata::text AS metadata,
  metadata IS NULL OR jsonb_typeof(metadata) = 'object' AS is_plain, analyzed, CASE WHEN "createdAt" BETWEEN '0001-01-01' AND '9999-12-31'
    THEN to_char("createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE "createdAt"::text END AS created,
  trace_of(metadata) AS trace
FROM "LogEntry"
WHERE (%(since)s::timestamp IS NULL OR timestamp >= %(since)s::timestamp)
  AND (%(until)s::timestamp IS NULL OR timestamp < %(until)s::timestamp)
  AND (%(node)s::text IS NULL OR source = %(node)s)
ORDER BY timestamp, id;

-- traces --
-- Trace ids of archived lines, by the same function.
SELECT trace_of(metadata) AS trace FROM unnest(%(metadata)s::jsonb[]) WITH ORDINALITY AS given (metadata, place)
ORDER BY place;

-- ids --
SELECT id FROM "LogEntry" WHERE timestamp >= %(since)s AND timestamp < %(until)s;

-- issues --
SELECT id::text, type, severity, title, description, "rootCause" AS cause, recommendation, source, status,
  CASE WHEN "detectedAt" BETWEEN '0001-01-01' AND '9999-12-31'
    THEN to_char("detectedAt", 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE "detectedAt"::text END AS detected, CASE WHEN "updatedAt" BETWEEN '0001-01-01' AND '9999-12-31'
    THEN to_char("updatedAt", 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE "updatedAt"::text END AS updated, CASE WHEN "resolvedAt" BETWEEN '0001-01-01' AND '9999-12-31'
    THEN to_char("resolvedAt", 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE "resolvedAt"::text END AS resolved,
  metadata::text AS metadata, to_json("affectedLogs")::text AS lines
FROM "LogIssue"
WHERE (%(since)s::timestamp IS NULL OR "updatedAt" >= %(since)s::timestamp)
  AND (%(until)s::timestamp IS NULL OR "detectedAt" < %(until)s::timestamp)
  AND (%(node)s::text IS NULL OR metadata -> 'nodes' ? %(node)s)
ORDER BY "detectedAt", id;

-- count_logs --
SELECT count(*) AS rows FROM "LogEntry"
WHERE (%(since)s::timestamp IS NULL OR timestamp >= %(since)s::timestamp)
  AND (%(until)s::timestamp IS NULL OR timestamp < %(until)s::timestamp)
  AND (%(node)s::text IS NULL OR source = %(node)s);

-- count_issues --
SELECT count(*) AS rows FROM "LogIssue"
WHERE (%(since)s::timestamp IS NULL OR "updatedAt" >= %(since)s::timestamp)
  AND (%(until)s::timestamp IS NULL OR "detectedAt" < %(until)s::timestamp)
  AND (%(node)s::text IS NULL OR metadata -> 'nodes' ? %(node)s);

-- stage_logs --
CREATE TEMPORARY TABLE staged (LIKE "LogEntry") ON COMMIT DROP;

-- copy_logs --
COPY staged (id, timestamp, level, message, source, hostname, metadata, analyzed, "createdAt") FROM STDIN;

-- stage_issues --
CREATE TEMPORARY TABLE staged (LIKE "LogIssue") ON COMMIT DROP;

-- copy_issues --
COPY staged (id, type, severity, title, description, "rootCause", recommendation, source, status, "detectedAt", "updatedAt",
  "resolvedAt", metadata, "affectedLogs") FROM STDIN;

-- load_logs --
-- Rows that the table already has stay unchanged. `differing`: such rows with other contents than in the file.
WITH known AS (
  SELECT s.id, (e.timestamp, e.level, e.message, e.source, e.hostname, e.metadata)
    IS DISTINCT FROM (s.timestamp, s.level, s.message, s.source, s.hostname, s.metadata) AS differs
  FROM staged AS s JOIN "LogEntry" AS e ON e.id = s.id
), added AS (
  INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, metadata, analyzed, "createdAt")
  SELECT id, timestamp, level, message, source, hostname, metadata, analyzed, "createdAt" FROM staged WHERE NOT %(dry_run)s ON CONFLICT DO NOTHING RETURNING id
)
SELECT (SELECT count(DISTINCT id) FROM staged) - (SELECT count(*) FROM known) AS added,
  (SELECT count(*) FROM known WHERE NOT differs) AS there, (SELECT count(*) FROM known WHERE differs) AS differing,
  (SELECT count(*) FROM added) AS inserted;

-- load_issues --
WITH known AS (
  SELECT s.id, (i.*)::text IS DISTINCT FROM (s.*)::text AS differs FROM staged AS s JOIN "LogIssue" AS i ON i.id = s.id
), added AS (
  INSERT INTO "LogIssue" SELECT * FROM staged WHERE NOT %(dry_run)s ON CONFLICT DO NOTHING RETURNING id
)
SELECT (SELECT count(DISTINCT id) FROM staged) - (SELECT count(*) FROM known) AS added,
  (SELECT count(*) FROM known WHERE NOT differs) AS there, (SELECT count(*) FROM known WHERE differs) AS differing,
  (SELECT count(*) FROM added) AS inserted;
