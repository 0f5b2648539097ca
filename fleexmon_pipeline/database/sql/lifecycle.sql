-- lock_hours --
-- Two runs may write the same hour; the second waits here instead of deadlocking on rows. Always in ascending order.
SELECT pg_advisory_xact_lock(hashtextextended('occurrences:' || %(source)s || ':' || hour::text, 0))
FROM (SELECT hour FROM unnest(%(hours)s::timestamp[]) AS hour ORDER BY hour) AS ascending;

-- lock_subjects --
-- Held by whoever writes a subject's occurrences or reconciles its issues. 1,024 locks serve any number of subjects: one
-- lock per subject would exhaust the server's lock table (6,400 by default) in a storm of new patterns.
SELECT pg_advisory_xact_lock(hashtext('fleexmon subjects'), bucket)
FROM (SELECT DISTINCT hashtext(subject) & 1023 AS bucket FROM unnest(%(subjects)s::text[]) AS subject ORDER BY bucket) AS b;

-- subjects_written --
-- Subjects of the occurrences that the source (or only these of its rules) has in these slots.
SELECT DISTINCT subject
FROM "IssueOccurrence"
WHERE slot >= %(since)s AND slot < %(until)s AND source = %(source)s
  AND (%(rules)s::text[] IS NULL OR rule = ANY (%(rules)s::text[]));

-- delete_absent --
-- Only rows that the new evaluation lacks: a rerun must not rewrite the table.
DELETE FROM "IssueOccurrence" AS o
WHERE o.slot >= %(since)s AND o.slot < %(until)s AND o.source = %(source)s
  AND (%(rules)s::text[] IS NULL OR o.rule = ANY (%(rules)s::text[]))
  AND NOT EXISTS (
    SELECT FROM unnest(%(fingerprints)s::text[], %(slots)s::timestamp[]) AS present (fingerprint, slot)
    WHERE present.fingerprint = o.fingerprint AND present.slot = o.slot
  );

-- upsert_occurrence --
-- Within one wording a row is replaced when anything differs: a text may show a figure that is in no other column, and a rerun
-- equals a run. With another wording a row stays, with its rule's version, unless something other than its text differs: an
-- update that rewords rules must not rewrite a day that is materialized again. GenAI's texts are its findings, so they count.
INSERT INTO "IssueOccurrence" AS stored (
  fingerprint, slot, subject, rule, "ruleVersion", source, type, severity, title, description,
  "rootCause", recommendation, nodes, grace, affected, evidence, metadata, "wordingVersion"
) VALUES (
  %(fingerprint)s, %(slot)s, %(subject)s, %(rule)s, %(rule_version)s, %(source)s, %(type)s, %(severity)s, %(title)s,
  %(description)s, %(root_cause)s, %(recommendation)s, %(nodes)s, %(grace)s, %(affected)s, %(evidence)s, %(metadata)s,
  %(wording)s
)
ON CONFLICT (fingerprint, slot) DO UPDATE SET
  subject = EXCLUDED.subject, rule = EXCLUDED.rule, "ruleVersion" = EXCLUDED."ruleVersion", source = EXCLUDED.source,
  type = EXCLUDED.type, severity = EXCLUDED.severity, title = EXCLUDED.title, description = EXCLUDED.description,
  "rootCause" = EXCLUDED."rootCause", recommendation = EXCLUDED.recommendation, nodes = EXCLUDED.nodes,
  grace = EXCLUDED.grace, affected = EXCLUDED.affected, evidence = EXCLUDED.evidence, metadata = EXCLUDED.metadata,
  "wordingVersion" = EXCLUDED."wordingVersion"
WHERE (
  stored.source, stored.type, stored.severity, stored."rootCause", stored.nodes, stored.grace, stored.affected,
  stored.evidence, stored.metadata - '{reasons,command,what,which}'::text[]
) IS DISTINCT FROM (
  EXCLUDED.source, EXCLUDED.type, EXCLUDED.severity, EXCLUDED."rootCause", EXCLUDED.nodes, EXCLUDED.grace,
  EXCLUDED.affected, EXCLUDED.evidence, EXCLUDED.metadata - '{reasons,command,what,which}'::text[]
) OR ((stored.source = 'genai' OR stored."wordingVersion" = EXCLUDED."wordingVersion") AND (
  stored."ruleVersion", stored.title, stored.description, stored.recommendation, stored.metadata
) IS DISTINCT FROM (
  EXCLUDED."ruleVersion", EXCLUDED.title, EXCLUDED.description, EXCLUDED.recommendation, EXCLUDED.metadata
));

-- newest_covered --
SELECT slot + interval '5 minutes' AS "end"
FROM "LogCoverage"
WHERE slot_is_known(status)
ORDER BY slot DESC
LIMIT 1;

-- open_subjects --
-- From the issues, since occurrences may be deleted while an issue is open. At most one row per
-- fingerprint, so the partial index bounds it.
SELECT DISTINCT subject_of(metadata ->> 'fingerprint') AS subject
FROM "LogIssue"
WHERE status = 'open' AND metadata ->> 'fingerprint' IS NOT NULL;

-- subjects_near --
-- Episodes that touch the window or ended shortly before it: its coverage may split or end them.
SELECT DISTINCT subject_of(fingerprint) AS subject
FROM "IssueEpisode"
WHERE "firstSlot" < %(until)s AND "lastSlot" >= %(since)s::timestamp - %(reach)s;

-- firing_spans --
-- Consecutive slots are one row here, so a rule that has fired for a month costs as much as one firing.
SELECT r.fingerprint, r.first, r.last, r.occurrences, o.subject, o.source, o.nodes, o.grace
FROM (
  SELECT fingerprint, min(slot) AS first, max(slot) AS last, count(*) AS occurrences
  FROM (
    SELECT fingerprint, slot,
      slot - row_number() OVER (PARTITION BY fingerprint ORDER BY slot) * interval '5 minutes' AS island
    FROM "IssueOccurrence"
    WHERE subject = ANY (%(subjects)s::text[])
  ) AS numbered
  GROUP BY fingerprint, island
) AS r
JOIN "IssueOccurrence" AS o ON o.fingerprint = r.fingerprint AND o.slot = r.last
ORDER BY r.fingerprint, r.first;

-- covered --
-- Windows whose lines are known: of all these nodes, or of any node if `nodes` is null.
SELECT min(slot) AS since, max(slot) + interval '5 minutes' AS until
FROM (
  SELECT slot, slot - row_number() OVER (ORDER BY slot) * interval '5 minutes' AS island
  FROM "LogCoverage"
  WHERE slot >= %(since)s AND slot_is_known(status)
    AND (%(nodes)s::text[] IS NULL OR node = ANY (%(nodes)s::text[]))
  GROUP BY slot
  HAVING count(*) >= COALESCE(cardinality(%(nodes)s::text[]), 1)
) AS numbered
GROUP BY island
ORDER BY since;

-- episodes --
SELECT id, fingerprint, "firstSlot", "lastSlot"
FROM "IssueEpisode"
WHERE fingerprint = ANY (%(fingerprints)s::text[])
  OR subject_of(fingerprint) = ANY (%(subjects)s::text[]);

-- issues --
-- Locked: a person who resolves an issue at this moment is either seen, or waits and is not overwritten.
SELECT id, metadata ->> 'fingerprint' AS fingerprint, status, "detectedAt", "updatedAt", "resolvedAt",
  COALESCE(metadata ->> 'autoResolved' = 'true', false) AS "autoResolved", metadata ->> 'regressionOf' AS "regressionOf",
  metadata ->> 'occurrences' AS occurrences
FROM "LogIssue"
WHERE id = ANY (%(ids)s::uuid[]) OR metadata ->> 'fingerprint' = ANY (%(fingerprints)s::text[])
ORDER BY id
FOR NO KEY UPDATE;

-- answers --
-- GenAI's texts about these subjects, for the issues of rules. Its explanation of the incident comes last, and is used.
SELECT subject, slot, "rootCause" AS root_cause, recommendation
FROM "IssueOccurrence"
WHERE subject = ANY (%(subjects)s::text[]) AND source = 'genai'
  AND ("rootCause" IS NOT NULL OR recommendation IS NOT NULL)
ORDER BY rule = 'genai-incident', slot;

-- delete_issues --
DELETE FROM "LogIssue" WHERE id = ANY (%(ids)s::uuid[]);

-- delete_episodes --
DELETE FROM "IssueEpisode" WHERE id = ANY (%(ids)s::uuid[]);

-- upsert_episode --
INSERT INTO "IssueEpisode" AS stored (id, fingerprint, "firstSlot", "lastSlot")
VALUES (%(id)s, %(fingerprint)s, %(first)s, %(last)s)
ON CONFLICT (id) DO UPDATE SET "lastSlot" = EXCLUDED."lastSlot"
WHERE stored."lastSlot" <> EXCLUDED."lastSlot";

-- upsert_issue --
-- Texts and figures come from the peak, so that they do not shrink while a problem fades. The peak of a detector rule is
-- its most severe slot; of those, the one furthest from what was expected: of lines, or of the value that was measured. Forecasts and GenAI know more each time: theirs is the latest slot.
-- Evidence is read from the latest slots until there is enough: neighbouring slots share most of theirs (a rule that looks
-- back one hour spans twelve slots), so 16 times what is kept. Windows: the hours that fired, of the latest 1,200 slots.
-- The run is the one that changed the row; a run that changes nothing else leaves it.
INSERT INTO "LogIssue" AS stored (
  id, type, severity, title, description, "rootCause", recommendation, source, status,
  "detectedAt", "updatedAt", "resolvedAt", metadata, "affectedLogs"
)
SELECT %(id)s, o.type, o.severity, o.title, o.description, COALESCE(%(root_cause)s::text, o."rootCause"),
  COALESCE(%(recommendation)s::text, o.recommendation), o.source, %(status)s,
  %(detected_at)s, %(updated_at)s, %(resolved_at)s::timestamp,
  o.metadata || jsonb_build_object(
    'fingerprint', o.fingerprint, 'rule', o.rule, 'ruleVersion', o."ruleVersion", 'nodes', o.nodes,
    'affectedCount', o.affected,
    'windows', (
      SELECT jsonb_agg(DISTINCT to_char(slot, 'YYYY-MM-DD-HH24:00'))
      FROM (
        SELECT slot FROM "IssueOccurrence"
        WHERE fingerprint = %(fingerprint)s AND slot BETWEEN %(first)s AND %(last)s
        ORDER BY slot DESC
        LIMIT 1200
      ) AS latest
    )
  ) || %(metadata)s::jsonb,
  ARRAY (
    SELECT id
    FROM (
      SELECT DISTINCT ON (e.id) e.id, recent.slot, e.position
      FROM (
        SELECT slot, evidence, sum(cardinality(evidence)) OVER (ORDER BY slot DESC) - cardinality(evidence) AS later
        FROM "IssueOccurrence"
        WHERE fingerprint = %(fingerprint)s AND slot BETWEEN %(first)s AND %(last)s
        ORDER BY slot DESC
        LIMIT %(max_evidence)s
      ) AS recent, unnest(recent.evidence) WITH ORDINALITY AS e (id, position)
      WHERE recent.later < 16 * %(max_evidence)s
      ORDER BY e.id, recent.slot DESC, e.position
    ) AS first_named
    ORDER BY slot DESC, position
    LIMIT %(max_evidence)s
  )
FROM "IssueOccurrence" AS o
WHERE o.fingerprint = %(fingerprint)s AND o.slot = (
  SELECT slot FROM "IssueOccurrence"
  WHERE fingerprint = %(fingerprint)s AND slot BETWEEN %(first)s AND %(last)s
  ORDER BY
    CASE WHEN source = 'detector' THEN array_position(ARRAY['low', 'medium', 'high', 'critical'], severity::text) END DESC,
    CASE WHEN source = 'detector' THEN abs(
      CASE jsonb_typeof(metadata -> 'value') WHEN 'number' THEN (metadata ->> 'value')::float ELSE affected END
      - CASE jsonb_typeof(metadata -> 'expected') WHEN 'number' THEN (metadata ->> 'expected')::float ELSE 0 END
    ) END DESC,
    slot DESC
  LIMIT 1
)
ON CONFLICT (id) DO UPDATE SET
  type = EXCLUDED.type, severity = EXCLUDED.severity, title = EXCLUDED.title, description = EXCLUDED.description,
  "rootCause" = EXCLUDED."rootCause", recommendation = EXCLUDED.recommendation, source = EXCLUDED.source,
  status = EXCLUDED.status, "detectedAt" = EXCLUDED."detectedAt", "updatedAt" = EXCLUDED."updatedAt",
  "resolvedAt" = EXCLUDED."resolvedAt", metadata = EXCLUDED.metadata, "affectedLogs" = EXCLUDED."affectedLogs"
WHERE (
  stored.type, stored.severity, stored.title, stored.description, stored."rootCause", stored.recommendation, stored.source,
  stored.status, stored."detectedAt", stored."updatedAt", stored."resolvedAt", stored."affectedLogs",
  CASE jsonb_typeof(stored.metadata) WHEN 'object' THEN stored.metadata - 'run' END
) IS DISTINCT FROM (
  EXCLUDED.type, EXCLUDED.severity, EXCLUDED.title, EXCLUDED.description, EXCLUDED."rootCause", EXCLUDED.recommendation,
  EXCLUDED.source, EXCLUDED.status, EXCLUDED."detectedAt", EXCLUDED."updatedAt", EXCLUDED."resolvedAt",
  EXCLUDED."affectedLogs", EXCLUDED.metadata - 'run'
);

-- resolve_foreign --
-- Rows of the original have no fingerprint and are no longer updated. They are resolved by the same grace, in event time.
UPDATE "LogIssue"
SET status = 'resolved',
  "resolvedAt" = "updatedAt" + grace,
  metadata = CASE jsonb_typeof(metadata) WHEN 'object' THEN metadata ELSE '{}' END
    || jsonb_build_object('autoResolved', true, 'resolvedReason', 'Not detected again for ' || words)
FROM (VALUES
  ('detector', interval '1 hour', '1 hour'),
  ('predictor', interval '6 hours', '6 hours'),
  ('genai', interval '24 hours', '24 hours')
) AS graces (of_source, grace, words)
WHERE source = of_source AND status = 'open' AND metadata ->> 'fingerprint' IS NULL
  AND "updatedAt" + grace <= %(now)s;
