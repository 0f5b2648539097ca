-- days --
-- Days with lines that are only in their file; newest first.
SELECT day, state, file, stale, lines, bytes, sha256, hours, "writtenAt" AS written_at
FROM "ArchivedDay"
WHERE state = 'archived' AND (%(since)s::timestamp IS NULL OR day > %(since)s::timestamp - interval '1 day')
  AND (%(until)s::timestamp IS NULL OR day < %(until)s::timestamp)
ORDER BY day DESC;

-- all_days --
SELECT day, state, file, stale, lines, bytes, sha256, hours, "writtenAt" AS written_at FROM "ArchivedDay" ORDER BY day DESC;

-- one_day --
SELECT day, state, file, stale, lines, bytes, sha256, hours, "writtenAt" AS written_at FROM "ArchivedDay"
WHERE day = %(day)s;

-- table_lines --
-- Lines of an hour that may be archived. As text, so that nothing is rounded; a time of other programs that no file can
-- hold is a separate text.
SELECT id::text, timestamp::text, level, message, source, hostname, metadata::text,
  CASE WHEN "createdAt" BETWEEN '0001-01-01' AND '9999-12-31' THEN to_char("createdAt", 'YYYY-MM-DD HH24:MI:SS.US') END,
  CASE WHEN "createdAt" NOT BETWEEN '0001-01-01' AND '9999-12-31' THEN "createdAt"::text END,
  line_hash(id, timestamp, level, message, source, hostname, metadata, "createdAt")
FROM "LogEntry"
WHERE timestamp >= %(since)s AND timestamp < %(until)s AND analyzed;

-- copy_table_lines --
-- Every value is quoted, so that NULL and an empty text differ.
COPY (%s) TO STDOUT (FORMAT csv, FORCE_QUOTE *);

-- count_lines --
SELECT count(*) AS lines FROM "LogEntry" WHERE timestamp >= %(since)s AND timestamp < %(until)s AND analyzed;

-- hour_of_table --
-- Number and hash of an hour's lines, as in "ArchivedDay".
SELECT count(*) AS lines, md5(COALESCE(string_agg(hash, '' ORDER BY hash COLLATE "C"), '')) AS hash FROM (
  SELECT line_hash(id, timestamp, level, message, source, hostname, metadata, "createdAt") AS hash
  FROM "LogEntry" WHERE timestamp >= %(since)s AND timestamp < %(until)s AND analyzed
) AS lines;

-- ids_of_hour --
SELECT id FROM "LogEntry" WHERE timestamp >= %(since)s AND timestamp < %(until)s LIMIT %(limit)s;

-- unanalyzed --
SELECT count(*) AS lines FROM "LogEntry"
WHERE timestamp >= %(since)s AND timestamp < %(until)s AND analyzed IS NOT TRUE;

-- record --
-- Only if no other run has archived the day in the meantime: otherwise its lines would be in a file that no row names.
INSERT INTO "ArchivedDay" AS known (day, state, file, stale, lines, bytes, sha256, hours, "writtenAt", run)
VALUES (%(day)s, 'archived', %(file)s, '{}', %(lines)s, %(bytes)s, %(sha256)s, %(hours)s, %(now)s, %(run)s)
ON CONFLICT (day) DO UPDATE SET
  state = 'archived', file = excluded.file, lines = excluded.lines, bytes = excluded.bytes, sha256 = excluded.sha256,
  stale = CASE WHEN known.file = excluded.file THEN known.stale ELSE known.stale || known.file END, hours = excluded.hours,
  "writtenAt" = excluded."writtenAt", run = excluded.run
WHERE known.file = %(before)s::text AND known.state <> 'expired';

-- set_state --
UPDATE "ArchivedDay" SET state = %(state)s WHERE day = %(day)s AND file = %(file)s;

-- without_stale --
UPDATE "ArchivedDay" SET stale = (SELECT COALESCE(array_agg(name), '{}') FROM unnest(stale) AS name
  WHERE name <> ALL (%(names)s::text[]))
WHERE day = %(day)s;

-- forget --
DELETE FROM "ArchivedDay" WHERE day = %(day)s AND state = 'expired';

-- expired --
SELECT day, state, file, stale, lines, bytes, sha256, hours, "writtenAt" AS written_at FROM "ArchivedDay"
WHERE state = 'expired' OR day + interval '1 day' <= %(before)s
ORDER BY day;

-- waiting_days --
-- Cold days with lines in the table that may be archived; oldest first. Restored days wait for a person.
WITH RECURSIVE found AS (
  (SELECT date_trunc('day', timestamp) AS day FROM "LogEntry"
   WHERE timestamp >= %(since)s AND timestamp < %(until)s ORDER BY timestamp LIMIT 1)
  UNION ALL
  SELECT (SELECT date_trunc('day', timestamp) FROM "LogEntry"
    WHERE timestamp >= found.day + interval '1 day' AND timestamp < %(until)s ORDER BY timestamp LIMIT 1)
  FROM found WHERE found.day IS NOT NULL
), held AS MATERIALIZED (
  SELECT DISTINCT unnest("affectedLogs") AS id FROM "LogIssue" WHERE status IS DISTINCT FROM 'resolved'
)
SELECT found.day FROM found
WHERE found.day IS NOT NULL
  AND NOT EXISTS (SELECT FROM "ArchivedDay" AS a WHERE a.day = found.day AND a.state <> 'archived')
  AND EXISTS (
    SELECT FROM "LogEntry" AS e LEFT JOIN held ON held.id = e.id
    WHERE e.timestamp >= found.day AND e.timestamp < found.day + interval '1 day' AND e.analyzed
      AND (held.id IS NULL OR NOT EXISTS (SELECT FROM "ArchivedDay" AS a WHERE a.day = found.day))
  )
ORDER BY found.day
LIMIT %(limit)s;

-- lock_day --
-- Until it is unlocked or the session ends. One run must not restore a day while another removes its lines.
SELECT pg_try_advisory_lock(hashtextextended('fleexmon archive ' || %(day)s::timestamp, 0)) AS locked;

-- unlock_day --
SELECT pg_advisory_unlock(hashtextextended('fleexmon archive ' || %(day)s::timestamp, 0));

-- make_archived --
CREATE TEMPORARY TABLE IF NOT EXISTS archived (id uuid, hash text) ON COMMIT DELETE ROWS;

-- copy_archived --
COPY archived (id, hash) FROM STDIN;

-- make_restored --
CREATE TEMPORARY TABLE IF NOT EXISTS restored (
  id uuid, timestamp timestamp, level varchar, message text, source varchar, hostname varchar, metadata jsonb,
  "createdAt" timestamp
) ON COMMIT DELETE ROWS;

-- copy_restored --
COPY restored (id, timestamp, level, message, source, hostname, metadata, "createdAt") FROM STDIN;

-- restore --
-- Lines that the table already has stay unchanged. `differing`: such lines with other contents than in the file.
WITH there AS (
  SELECT line_hash(e.id, e.timestamp, e.level, e.message, e.source, e.hostname, e.metadata, e."createdAt")
    <> line_hash(r.id, r.timestamp, r.level, r.message, r.source, r.hostname, r.metadata, r."createdAt") AS differs
  FROM restored AS r JOIN "LogEntry" AS e ON e.id = r.id
), added AS (
  INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, metadata, analyzed, "createdAt")
  SELECT id, timestamp, level, message, source, hostname, metadata, true, "createdAt" FROM restored
  WHERE NOT %(dry_run)s ORDER BY id
  ON CONFLICT DO NOTHING
  RETURNING id
)
SELECT (SELECT count(*) FROM restored) - (SELECT count(*) FROM there) AS added,
  (SELECT count(*) FROM there WHERE differs) AS differing, (SELECT count(*) FROM added) AS inserted,
  (SELECT md5(COALESCE(string_agg(hash, '' ORDER BY hash COLLATE "C"), '')) FROM (
    SELECT line_hash(id, timestamp, level, message, source, hostname, metadata, "createdAt") AS hash FROM restored
  ) AS lines) AS hash;

-- open_evidence --
-- Evidence of unresolved issues.
SELECT DISTINCT unnest("affectedLogs") AS id FROM "LogIssue" WHERE status IS DISTINCT FROM 'resolved';

-- carriers --
-- Which of these lines have this id of a trace or a request, by the same functions as in the table.
SELECT place FROM unnest(%(metadata)s::jsonb[]) WITH ORDINALITY AS given (metadata, place)
WHERE trace_of(metadata) = %(trace)s OR request_of(metadata) = %(trace)s;
