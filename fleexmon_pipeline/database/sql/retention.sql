-- expire_logs --
-- One page of the oldest lines after a position, in index order, so that rows that stay are read once. Lines that are not
-- analyzed, or are evidence of an unresolved issue, stay. Rows locked by another program wait for the next run.
WITH held AS (
  SELECT DISTINCT unnest("affectedLogs") AS id FROM "LogIssue" WHERE status IS DISTINCT FROM 'resolved'
), page AS (
  SELECT e.id, e.timestamp, e.analyzed IS TRUE AS analyzed, held.id IS NOT NULL AS evidence
  FROM (
    SELECT id, timestamp, analyzed
    FROM "LogEntry"
    WHERE timestamp < %(before)s AND timestamp >= %(after)s AND (timestamp, id) > (%(after)s, %(after_id)s)
    ORDER BY timestamp, id
    LIMIT %(batch)s
  ) AS e
  LEFT JOIN held ON held.id = e.id
), gone AS (
  DELETE FROM "LogEntry"
  WHERE NOT %(dry_run)s AND id = ANY (ARRAY (
    SELECT e.id
    FROM "LogEntry" AS e
    JOIN page ON page.id = e.id
    WHERE page.analyzed AND NOT page.evidence AND e.analyzed
    FOR UPDATE OF e SKIP LOCKED
  ))
  RETURNING id
)
SELECT count(*) AS seen,
  count(*) FILTER (WHERE NOT analyzed) AS unanalyzed,
  count(*) FILTER (WHERE analyzed AND evidence) AS evidence,
  CASE WHEN %(dry_run)s THEN count(*) FILTER (WHERE analyzed AND NOT evidence) ELSE (SELECT count(*) FROM gone) END
    AS deleted,
  max(timestamp) AS after,
  (SELECT id FROM page ORDER BY timestamp DESC, id DESC LIMIT 1) AS after_id
FROM page;

-- old_issues --
-- Issues resolved long ago, and old episodes whose issue another program deleted.
SELECT COALESCE(i.id, e.id) AS id, subject_of(COALESCE(e.fingerprint, i.fingerprint)) AS subject
FROM (
  SELECT id, metadata ->> 'fingerprint' AS fingerprint, status, "resolvedAt"
  FROM "LogIssue"
) AS i
FULL JOIN "IssueEpisode" AS e ON e.id = i.id
WHERE ((i.status = 'resolved' AND i."resolvedAt" < %(before)s) OR (i.id IS NULL AND e."lastSlot" < %(before)s))
  AND COALESCE(i.id, e.id) > %(after_id)s
ORDER BY 1
LIMIT %(batch)s;

-- delete_issues --
-- Checked again under the locks: an issue that fired or was reopened in the meantime stays.
DELETE FROM "LogIssue"
WHERE id = ANY (%(ids)s::uuid[]) AND status = 'resolved' AND "resolvedAt" < %(before)s
RETURNING id, "resolvedAt";

-- delete_episodes --
DELETE FROM "IssueEpisode" AS e
WHERE e.id = ANY (%(ids)s::uuid[]) AND NOT EXISTS (SELECT FROM "LogIssue" AS i WHERE i.id = e.id)
  AND e."lastSlot" < %(before)s
RETURNING e.id, e.fingerprint, subject_of(e.fingerprint) AS subject, e."firstSlot",
  e."lastSlot";

-- delete_occurrences_of_episode --
-- The occurrences of a deleted episode, later ones that fall under a person's resolve, and GenAI's occurrences next to it:
-- the next reconcile would turn any of them into an issue again.
WITH reach AS (
  SELECT COALESCE(max(grace), interval '0') AS grace
  FROM "IssueOccurrence"
  WHERE fingerprint = %(fingerprint)s AND source = 'detector'
)
DELETE FROM "IssueOccurrence" AS o
USING reach
WHERE o.subject = %(subject)s
  AND (
    o.fingerprint = %(fingerprint)s AND o.slot < %(until)s AND NOT EXISTS (
      SELECT FROM "IssueEpisode" AS e
      WHERE e.fingerprint = o.fingerprint AND o.slot BETWEEN e."firstSlot" AND e."lastSlot"
    )
    OR o.source = 'genai' AND o.slot BETWEEN %(first)s - reach.grace AND %(until)s + reach.grace AND NOT EXISTS (
      SELECT FROM "IssueEpisode" AS e
      WHERE subject_of(e.fingerprint) = o.subject
        AND o.slot BETWEEN e."firstSlot" - reach.grace AND e."lastSlot" + reach.grace
    )
  );

-- IssueOccurrence --
-- This and the following statements select rows of the table that they are named for; the code adds batch, lock or count.
-- Old occurrences without an episode, such as GenAI's next to a rule's deleted issue. Within a day of an episode of the
-- same subject they stay: they may provide its root cause.
SELECT o.ctid
FROM "IssueOccurrence" AS o
WHERE o.slot < %(before)s AND NOT EXISTS (
  SELECT FROM "IssueEpisode" AS e
  WHERE subject_of(e.fingerprint) = o.subject
    AND o.slot BETWEEN e."firstSlot" - interval '1 day' AND e."lastSlot" + interval '1 day'
)
ORDER BY o.slot;

-- RejectedLog --
SELECT o.ctid FROM "RejectedLog" AS o WHERE o.slot < %(before)s ORDER BY o.slot;

-- LogPatternCount --
SELECT o.ctid FROM "LogPatternCount" AS o WHERE o.slot < %(before)s ORDER BY o.slot;

-- LogCoverage --
SELECT o.ctid FROM "LogCoverage" AS o WHERE o.slot < %(before)s ORDER BY o.slot;

-- LogForecast --
SELECT o.ctid FROM "LogForecast" AS o WHERE o.hour < %(before)s ORDER BY o.hour;

-- GenAICall --
SELECT o.ctid FROM "GenAICall" AS o WHERE o.at < %(before)s ORDER BY o.at;

-- AgentCall --
-- Old ones, and all beyond 100,000: an agent in a loop makes ten calls a second.
SELECT o.ctid
FROM "AgentCall" AS o
WHERE o.at < %(before)s OR o.id <= (SELECT max(id) - 100000 FROM "AgentCall")
ORDER BY o.id;

-- Outbox --
-- Only what GitHub already shows, and not for an issue that can still change.
SELECT o.ctid
FROM "Outbox" AS o
WHERE o."updatedAt" < %(before)s AND o.shown = o.desired AND NOT (o.key NOT LIKE 'digest:%%' AND EXISTS (
  SELECT FROM "LogIssue" AS i
  WHERE i.status IS DISTINCT FROM 'resolved'
    AND (i.metadata ->> 'fingerprint' = substr(o.key, 7) OR o.desired -> 'about' -> 'issues' ? i.id::text)
));

-- ChannelMessage --
-- The last message about an open incident stays: without it, the incident would be reported again.
SELECT o.ctid
FROM "ChannelMessage" AS o
WHERE o."createdAt" < %(before)s AND NOT (o.key LIKE 'incident:%%' AND EXISTS (
  SELECT FROM "LogIssue" AS i
  WHERE i.status IS DISTINCT FROM 'resolved' AND o.message -> 'data' -> 'issues' ? i.id::text
));

-- ChannelThread --
SELECT o.ctid
FROM "ChannelThread" AS o
WHERE o."updatedAt" < %(before)s AND NOT EXISTS (
  SELECT FROM "ChannelMessage" AS m WHERE m.channel = o.channel AND m.key = o.key
);

-- IssueMute --
SELECT o.ctid FROM "IssueMute" AS o WHERE LEAST(o."endedAt", o.until) < %(before)s;

-- IssueVerdict --
SELECT o.ctid
FROM "IssueVerdict" AS o
WHERE o.at < %(before)s AND NOT EXISTS (SELECT FROM "LogIssue" AS i WHERE i.id = o.issue);

-- IssueHandling --
SELECT o.ctid
FROM "IssueHandling" AS o
WHERE o.at < %(before)s AND NOT EXISTS (SELECT FROM "LogIssue" AS i WHERE i.id = o.issue);

-- Deployment --
-- The newest of a node's old deployments stays: it is the version at the start of the kept history.
SELECT o.ctid
FROM "Deployment" AS o
WHERE o.at < %(before)s AND EXISTS (
  SELECT FROM "Deployment" AS later WHERE later.node = o.node AND later.at > o.at AND later.at < %(before)s
);

-- DeploymentVerification --
SELECT o.ctid FROM "DeploymentVerification" AS o WHERE o.at < %(before)s;

-- DetectedHour --
SELECT o.ctid FROM "DetectedHour" AS o WHERE o.hour < %(before)s ORDER BY o.hour;

-- NodeBaseline --
-- A cache: a backfill of older days learns its baselines again.
SELECT o.ctid FROM "NodeBaseline" AS o WHERE o.day < %(before)s ORDER BY o.day;

-- NodeLinks --
SELECT o.ctid FROM "NodeLinks" AS o WHERE o.day < %(before)s ORDER BY o.day;

-- ShadowOccurrence --
SELECT o.ctid FROM "ShadowOccurrence" AS o WHERE o.slot < %(before)s ORDER BY o.slot;

-- remove_archived --
-- Removes lines of an hour that the archive has with exactly this content: `archived` has what was read back from its file.
-- Lines that are not analyzed, or are evidence of an unresolved issue, stay; so do rows that another program has locked.
WITH held AS (
  SELECT DISTINCT unnest("affectedLogs") AS id FROM "LogIssue" WHERE status IS DISTINCT FROM 'resolved'
), gone AS (
  DELETE FROM "LogEntry"
  WHERE timestamp >= %(since)s AND timestamp < %(until)s AND id = ANY (ARRAY (
    SELECT e.id
    FROM "LogEntry" AS e JOIN archived AS a ON a.id = e.id
    WHERE e.timestamp >= %(since)s AND e.timestamp < %(until)s AND e.analyzed
      AND NOT EXISTS (SELECT FROM held WHERE held.id = e.id)
      AND line_hash(e.id, e.timestamp, e.level, e.message, e.source, e.hostname, e.metadata, e."createdAt") = a.hash
    FOR UPDATE OF e SKIP LOCKED
  ))
  RETURNING id
)
SELECT count(*) FILTER (WHERE gone.id IS NOT NULL) AS removed, count(*) FILTER (WHERE e.analyzed IS NOT TRUE) AS unanalyzed,
  count(*) FILTER (WHERE e.analyzed AND held.id IS NOT NULL) AS evidence,
  count(*) FILTER (WHERE e.analyzed AND held.id IS NULL AND gone.id IS NULL) AS others
FROM "LogEntry" AS e LEFT JOIN held ON held.id = e.id LEFT JOIN gone ON gone.id = e.id
WHERE e.timestamp >= %(since)s AND e.timestamp < %(until)s;

-- part_of_day --
-- The partition of this day alone, if it is the first one: dropping it frees its space.
SELECT part::text AS part FROM line_parts()
WHERE day = %(day)s::date AND until <= line_id(%(day)s::timestamp + interval '1 day')
  AND day = (SELECT min(day) FROM line_parts());

-- strangers --
-- Whether the partition has lines whose time is before its day, from other programs for example: no file has them.
SELECT EXISTS (
  SELECT FROM "LogEntry" AS e
  WHERE e.id >= line_id(%(day)s::timestamp) AND e.id < line_id(%(day)s::timestamp + interval '1 day')
    AND e.analyzed AND e.timestamp < %(day)s::timestamp
) AS there;

-- holds_others --
-- Whether dropping the partition would lose lines: analyzed ones that are still there, for any reason.
SELECT EXISTS (
  SELECT FROM "LogEntry" AS e
  WHERE e.id >= line_id(%(day)s::timestamp) AND e.id < line_id(%(day)s::timestamp + interval '1 day')
    AND e.analyzed AND e.timestamp < %(day)s::timestamp + interval '1 day' AND NOT EXISTS (
      SELECT FROM "LogIssue" AS i WHERE i.status IS DISTINCT FROM 'resolved' AND e.id = ANY (i."affectedLogs")
    )
) AS holds;

-- would_remove --
WITH held AS (
  SELECT DISTINCT unnest("affectedLogs") AS id FROM "LogIssue" WHERE status IS DISTINCT FROM 'resolved'
)
SELECT count(*) FILTER (WHERE e.analyzed AND held.id IS NULL) AS removed, count(*) FILTER (WHERE e.analyzed IS NOT TRUE) AS unanalyzed,
  count(*) FILTER (WHERE e.analyzed AND held.id IS NOT NULL) AS evidence
FROM "LogEntry" AS e LEFT JOIN held ON held.id = e.id
WHERE e.timestamp >= %(since)s AND e.timestamp < %(until)s;
