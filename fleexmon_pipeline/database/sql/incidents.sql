-- lock --
-- One run at a time derives incidents: a second would not see which marks the first has taken.
SELECT pg_advisory_xact_lock(hashtextextended('fleexmon incidents', 0));

-- take_marks --
WITH taken AS (
  DELETE FROM "IncidentMark" WHERE id IN (SELECT id FROM "IncidentMark" ORDER BY id LIMIT %(limit)s) RETURNING issue
)
SELECT DISTINCT issue FROM taken;

-- are_marked --
SELECT EXISTS (SELECT FROM "IncidentMark") AS marked;

-- mark_window --
-- Incidents whose figures may differ although their issues do not: lines of a window were counted again, and the incident
-- overlaps it, or looks back at it (errors of the day before; earlier changes, compared with the day before that).
INSERT INTO "IncidentMark" (issue)
SELECT id FROM "Incident"
WHERE "startedAt" < %(until)s::timestamp + %(looks_back)s AND "lastSeenAt" > %(since)s ORDER BY id;

-- beginnings --
-- When these issues began; those that were deleted are missing.
SELECT id, "detectedAt" - interval '5 minutes' AS first FROM "LogIssue" WHERE id = ANY (%(ids)s::uuid[]);

-- facts --
-- Facts about issues that began in a window. Slots: those of the first day in which it fired. The top patterns are those of
-- its peak and of its first slot: a rate that pauses and returns can have another cause at its peak.
SELECT i.id, i."detectedAt" - interval '5 minutes' AS first, i."updatedAt" AS last, i.severity,
  COALESCE(i.status, 'open') AS status, i."resolvedAt" AS ended, i.title, i.type, i.source,
  i.metadata ->> 'fingerprint' AS fingerprint, i.metadata -> 'nodes' AS nodes,
  substring(subject_of(i.metadata ->> 'fingerprint') FROM '^pattern:(.*)@') AS pattern,
  i.metadata -> 'topPatterns' AS top_patterns, i.metadata -> 'affectedCount' AS affected, i.metadata ->> 'what' AS what,
  COALESCE(i.metadata ->> 'which', i.metadata ->> 'template') AS which, i.metadata ->> 'announces' AS announces,
  i.metadata -> 'window' ->> 'since' AS compared_since, fired.slots, began.top_patterns AS began_with
FROM "LogIssue" AS i
LEFT JOIN LATERAL (
  SELECT array_agg(o.slot ORDER BY o.slot) AS slots
  FROM "IssueEpisode" AS e
  JOIN "IssueOccurrence" AS o ON o.fingerprint = e.fingerprint
    AND o.slot BETWEEN e."firstSlot" AND LEAST(e."lastSlot", e."firstSlot" + interval '1 day')
  WHERE e.id = i.id
) AS fired ON true
LEFT JOIN LATERAL (
  SELECT o.metadata -> 'topPatterns' AS top_patterns
  FROM "IssueEpisode" AS e
  JOIN "IssueOccurrence" AS o ON o.fingerprint = e.fingerprint AND o.slot = e."firstSlot"
  WHERE e.id = i.id
) AS began ON true
WHERE i."detectedAt" >= %(since)s::timestamp + interval '5 minutes'
  AND i."detectedAt" < %(until)s::timestamp + interval '5 minutes'
ORDER BY i."detectedAt", i.id;

-- learnt_links --
SELECT day, links FROM "NodeLinks" WHERE day BETWEEN %(since)s AND %(until)s AND links <> '[]';

-- evidence --
SELECT id, "affectedLogs" AS lines FROM "LogIssue" WHERE id = ANY (%(ids)s::uuid[]);

-- holding --
-- Incidents that contain any of these issues.
SELECT id, issues FROM "Incident" WHERE issues && %(ids)s::uuid[] ORDER BY id;

-- delete --
DELETE FROM "Incident" WHERE id = ANY (%(ids)s::uuid[]);

-- upsert --
INSERT INTO "Incident" AS stored (
  id, title, severity, status, nodes, "startedAt", "lastSeenAt", "endedAt", issues, headline, "firstPattern",
  figures, changes
) VALUES (
  %(id)s, %(title)s, %(severity)s, %(status)s, %(nodes)s, %(started)s, %(last_seen)s, %(ended)s, %(issues)s::uuid[],
  %(headline)s, %(first_pattern)s, %(figures)s, %(changes)s
)
ON CONFLICT (id) DO UPDATE SET
  title = EXCLUDED.title, severity = EXCLUDED.severity, status = EXCLUDED.status, nodes = EXCLUDED.nodes,
  "startedAt" = EXCLUDED."startedAt", "lastSeenAt" = EXCLUDED."lastSeenAt", "endedAt" = EXCLUDED."endedAt",
  issues = EXCLUDED.issues, headline = EXCLUDED.headline, "firstPattern" = EXCLUDED."firstPattern",
  figures = EXCLUDED.figures, changes = EXCLUDED.changes
WHERE (
  stored.title, stored.severity, stored.status, stored.nodes, stored."startedAt", stored."lastSeenAt", stored."endedAt",
  stored.issues, stored.headline, stored."firstPattern", stored.figures, stored.changes
) IS DISTINCT FROM (
  EXCLUDED.title, EXCLUDED.severity, EXCLUDED.status, EXCLUDED.nodes, EXCLUDED."startedAt", EXCLUDED."lastSeenAt",
  EXCLUDED."endedAt", EXCLUDED.issues, EXCLUDED.headline, EXCLUDED."firstPattern", EXCLUDED.figures,
  EXCLUDED.changes
);

-- first_seen --
SELECT id, template, level, "firstSeen" AS first_seen FROM "LogPattern" WHERE id = ANY (%(ids)s::varchar[]);

-- volume --
-- Lines and errors of these nodes (all, if none is named) in a window, lines of these patterns and of those merged into
-- them, and the number of known slots.
WITH RECURSIVE member AS (
  SELECT unnest(%(patterns)s::varchar[]) AS id
  UNION
  SELECT p.id FROM member JOIN "LogPattern" AS p ON p."aliasOf" = member.id
)
SELECT
  COALESCE(sum(count), 0)::bigint AS lines,
  COALESCE(sum(count) FILTER (WHERE level = ANY (%(errors)s::varchar[])), 0)::bigint AS errors,
  COALESCE(sum(count) FILTER (WHERE pattern IN (SELECT id FROM member)), 0)::bigint AS of_pattern,
  (SELECT count(*) FROM "LogCoverage"
   WHERE slot >= %(since)s AND slot < %(until)s AND slot_is_known(status)
     AND (%(nodes)s::varchar[] IS NULL OR node = ANY (%(nodes)s::varchar[]))) AS slots
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s AND (%(nodes)s::varchar[] IS NULL OR node = ANY (%(nodes)s::varchar[]));

-- deployments --
SELECT node, version, at FROM "Deployment"
WHERE at >= %(since)s AND at < %(until)s AND (%(nodes)s::varchar[] IS NULL OR node = ANY (%(nodes)s::varchar[]))
ORDER BY at, node;

-- rare_words --
-- Patterns of these nodes that contain these words and came in the window, but hardly ever in the day before it.
SELECT c.node, c.pattern, p.template, min(c.slot) AS at, sum(c.count)::bigint AS lines
FROM "LogPatternCount" AS c
JOIN "LogPattern" AS p ON p.id = c.pattern
WHERE c.slot >= %(since)s AND c.slot < %(until)s
  AND (%(nodes)s::varchar[] IS NULL OR c.node = ANY (%(nodes)s::varchar[])) AND p.template ~* %(words)s
  AND NOT EXISTS (
    SELECT FROM "LogPatternCount" AS before
    WHERE before.pattern = c.pattern AND before.node = c.node
      AND before.slot >= %(since)s::timestamp - interval '1 day' AND before.slot < %(since)s
  )
GROUP BY c.node, c.pattern, p.template
ORDER BY at, c.node, c.pattern
LIMIT %(limit)s;

-- list --
SELECT i.id, i.title, i.severity, i.status, i.nodes, i."startedAt", i."lastSeenAt", i."endedAt", i.issues,
  i.headline, i."firstPattern", i.figures, i.changes, h.acknowledged, h.acknowledged_at AS "acknowledgedAt", h.assignee,
  m.muted
FROM "Incident" AS i
CROSS JOIN LATERAL (
  SELECT
    (SELECT CASE action WHEN 'ack' THEN "by" END FROM "IssueHandling"
     WHERE issue = ANY (i.issues) AND action IN ('ack', 'unack') ORDER BY at DESC, id LIMIT 1) AS acknowledged,
    (SELECT CASE action WHEN 'ack' THEN at END FROM "IssueHandling"
     WHERE issue = ANY (i.issues) AND action IN ('ack', 'unack') ORDER BY at DESC, id LIMIT 1) AS acknowledged_at,
    (SELECT assignee FROM "IssueHandling"
     WHERE issue = ANY (i.issues) AND action = 'assign' ORDER BY at DESC, id LIMIT 1) AS assignee
) AS h
CROSS JOIN LATERAL (
  SELECT NOT EXISTS (
    SELECT FROM "LogIssue" AS l
    WHERE l.id = ANY (i.issues) AND (i.status = 'resolved' OR l.status IS DISTINCT FROM 'resolved')
      AND NOT is_muted(l.metadata, %(now)s)
  ) AS muted
) AS m
WHERE (%(status)s::varchar IS NULL OR i.status = %(status)s)
  AND (%(severities)s::varchar[] IS NULL OR i.severity = ANY (%(severities)s::varchar[]))
  AND (%(node)s::varchar IS NULL OR %(node)s = ANY (i.nodes))
  AND (%(since)s::timestamp IS NULL OR i."lastSeenAt" >= %(since)s)
  AND (%(until)s::timestamp IS NULL OR i."startedAt" < %(until)s)
  AND (%(ids)s::uuid[] IS NULL OR i.id = ANY (%(ids)s::uuid[]))
ORDER BY i."lastSeenAt" DESC, i.id
LIMIT %(limit)s;

-- issues_of --
SELECT id, severity, status, type, source, title, metadata -> 'nodes' AS nodes, "detectedAt", "updatedAt", "resolvedAt",
  metadata -> 'occurrences' AS occurrences, metadata -> 'affectedCount' AS "affectedCount",
  metadata -> 'regressionOf' AS "regressionOf"
FROM "LogIssue" WHERE id = ANY (%(ids)s::uuid[]) ORDER BY "detectedAt", id;

-- hypothesis --
-- GenAI's explanation: of the whole incident, else of its headline issue, else of any of its issues.
SELECT "rootCause" AS text
FROM "LogIssue" AS i
WHERE id = ANY (%(ids)s::uuid[]) AND "rootCause" <> ''
ORDER BY EXISTS (
  SELECT FROM "IssueEpisode" AS e
  JOIN "IssueOccurrence" AS o ON o.subject = subject_of(e.fingerprint) AND o.slot = e."firstSlot"
  WHERE e.id = i.id AND o.rule = 'genai-incident'
) DESC, id = %(headline)s DESC, "detectedAt", id
LIMIT 1;

-- of_issue --
SELECT id, title FROM "Incident" WHERE issues @> ARRAY[%(issue)s::uuid];

-- handle --
INSERT INTO "IssueHandling" (id, issue, action, assignee, "by", why, at)
VALUES (%(id)s, %(issue)s, %(action)s, %(assignee)s, %(by)s, %(why)s, %(now)s)
ON CONFLICT (id) DO NOTHING;

-- handling --
SELECT action, assignee, "by", why, at FROM "IssueHandling" WHERE issue = ANY (%(ids)s::uuid[]) ORDER BY at, id;

-- acknowledged --
-- Issues that somebody acknowledged, without a later withdrawal.
SELECT issue, "by" FROM (
  SELECT DISTINCT ON (issue) issue, action, "by" FROM "IssueHandling"
  WHERE issue = ANY (%(ids)s::uuid[]) AND action IN ('ack', 'unack') ORDER BY issue, at DESC, id
) AS latest WHERE action = 'ack';

-- first_lines --
-- The first lines of an issue's evidence. Messages are cut here, so that one of a megabyte is not transferred.
SELECT id, timestamp, source AS node, level, left(message, %(width)s) AS message
FROM "LogEntry"
WHERE id IN (SELECT unnest("affectedLogs") FROM "LogIssue" WHERE id = %(id)s)
ORDER BY timestamp, id
LIMIT %(limit)s;

-- errors_by_slot --
-- Errors of these nodes (all, if none is named) by slot, for known slots.
SELECT c.slot, COALESCE(e.errors, 0)::bigint AS errors
FROM (
  SELECT DISTINCT slot FROM "LogCoverage"
  WHERE slot >= %(since)s AND slot < %(until)s AND slot_is_known(status)
    AND (%(nodes)s::varchar[] IS NULL OR node = ANY (%(nodes)s::varchar[]))
) AS c
LEFT JOIN (
  SELECT slot, sum(count) AS errors FROM "LogPatternCount"
  WHERE slot >= %(since)s AND slot < %(until)s AND level = ANY (%(errors)s::varchar[])
    AND (%(nodes)s::varchar[] IS NULL OR node = ANY (%(nodes)s::varchar[]))
  GROUP BY slot
) AS e ON e.slot = c.slot
ORDER BY c.slot;

-- fingerprints --
SELECT DISTINCT metadata ->> 'fingerprint' AS fingerprint
FROM "LogIssue" WHERE id = ANY (%(ids)s::uuid[]) AND metadata ->> 'fingerprint' IS NOT NULL
ORDER BY 1;

-- ended_by --
-- Who resolved the last of these issues, and why; no row if it ended by itself.
SELECT metadata ->> 'resolvedBy' AS by, metadata ->> 'resolvedReason' AS why
FROM "LogIssue" WHERE id = ANY (%(ids)s::uuid[]) ORDER BY "resolvedAt" DESC NULLS LAST, id LIMIT 1;
