-- lock_hour --
-- Two runs on one hour would ask, and pay, twice. Do not wait: the other run's answers will be there soon.
SELECT pg_try_advisory_lock(hashtextextended('genai', extract(epoch FROM %(hour)s)::bigint)) AS "held";

-- unlock_hour --
-- A session lock, because no transaction may stay open during a call. A lost connection frees it too.
SELECT pg_advisory_unlock(hashtextextended('genai', extract(epoch FROM %(hour)s)::bigint));

-- window_patterns --
-- Counts summed over slots. Cost depends on the number of patterns in the window, not of lines.
SELECT pattern, node, level, sum(count)::bigint AS lines, min(slot) AS first, max(slot) AS last
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s
GROUP BY pattern, node, level
ORDER BY pattern, node, level;

-- roots --
-- What each pattern had become by the window's end, and when it or any of its successors was first seen. The depth ends
-- a cycle, which a hand-edited table could contain.
WITH RECURSIVE climb AS (
  SELECT id AS pattern, id, template, "firstSeen", "aliasOf", "aliasSince", 0 AS depth
  FROM "LogPattern"
  WHERE id = ANY(%(patterns)s)
  UNION ALL
  SELECT climb.pattern, up.id, up.template, up."firstSeen", up."aliasOf", up."aliasSince", climb.depth + 1
  FROM climb JOIN "LogPattern" up ON up.id = climb."aliasOf" AND (climb."aliasSince" < %(until)s) IS NOT FALSE
  WHERE climb.depth < 50
)
SELECT DISTINCT ON (pattern)
  pattern, id AS root, template, min("firstSeen") OVER (PARTITION BY pattern) AS first_seen
FROM climb
ORDER BY pattern, depth DESC;

-- watched_hours --
-- In how many of the comparable hours a node was watched. At most 45 hours of 12 slots: a few hundred rows.
SELECT node, count(DISTINCT date_trunc('hour', slot)) AS hours
FROM "LogCoverage"
WHERE slot >= %(since)s::timestamp - interval '7 days' AND slot < %(since)s AND slot_is_known(status)
  AND (slot >= %(since)s::timestamp - interval '24 hours'
       OR extract(hour FROM slot)::int = ANY(%(hours_of_day)s::int[]))
GROUP BY node;

-- comparable_hours --
-- Most and fewest lines per hour of a pattern on a node, over the comparable hours in which it had any, and the number
-- of these hours. Includes all patterns that merged into it.
WITH RECURSIVE family AS (
  SELECT id AS root, id, 0 AS depth FROM "LogPattern" WHERE id = ANY(%(patterns)s)
  UNION ALL
  SELECT family.root, child.id, family.depth + 1
  FROM family JOIN "LogPattern" child ON child."aliasOf" = family.id AND (child."aliasSince" < %(until)s) IS NOT FALSE
  WHERE family.depth < 50
), hourly AS (
  SELECT family.root, c.node, date_trunc('hour', c.slot) AS hour, sum(c.count) AS lines
  FROM family JOIN "LogPatternCount" c ON c.pattern = family.id
  WHERE c.slot >= %(since)s::timestamp - interval '7 days' AND c.slot < %(since)s
    AND (c.slot >= %(since)s::timestamp - interval '24 hours'
         OR extract(hour FROM c.slot)::int = ANY(%(hours_of_day)s::int[]))
  GROUP BY family.root, c.node, date_trunc('hour', c.slot)
)
SELECT root AS pattern, node, max(lines)::bigint AS most, min(lines)::bigint AS least, count(*) AS hours
FROM hourly
GROUP BY root, node;

-- hour_before --
-- Counts of the previous hour, for nodes with full coverage of this one: a pattern that no longer comes has no count.
SELECT pattern, node, level, sum(count)::bigint AS lines
FROM "LogPatternCount"
WHERE slot >= %(since)s::timestamp - interval '1 hour' AND slot < %(since)s AND node IN (
  SELECT node FROM "LogCoverage"
  WHERE slot >= %(since)s AND slot < %(until)s AND slot_is_known(status)
  GROUP BY node
  HAVING count(*) = 12
)
GROUP BY pattern, node, level
ORDER BY pattern, node, level;

-- reported --
-- GenAI's occurrences of a window, worst first, to compare a replay with.
SELECT fingerprint, severity, title, metadata -> 'patterns' AS patterns
FROM "IssueOccurrence"
WHERE source = 'genai' AND rule = 'genai' AND slot >= %(since)s AND slot < %(until)s
ORDER BY array_position('{critical,high,medium,low}'::text[], severity::text), slot DESC, fingerprint;

-- newest_counted --
-- The default hour of a preview.
SELECT date_trunc('hour', max(slot)) AS hour FROM "LogPatternCount";

-- slot_counts --
-- When the lines of some patterns came, to distinguish a burst that is over from a steady flow.
SELECT pattern, node, slot, sum(count)::bigint AS lines
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s AND pattern = ANY(%(patterns)s)
GROUP BY pattern, node, slot;

-- samples --
-- Ids of stored sample lines, worst level first, then newest. A question about errors must not show successes of the
-- same pattern.
SELECT pattern, node, slot, samples
FROM "LogPatternCount"
WHERE slot >= %(since)s AND slot < %(until)s AND pattern = ANY(%(patterns)s)
ORDER BY array_position(%(worst_first)s::text[], level::text), slot DESC, node, pattern, level;

-- messages --
-- The beginning is enough for a sample. A line may have megabytes.
SELECT id, left(message, %(most)s) AS message, length(message) > %(most)s AS cut
FROM "LogEntry"
WHERE id = ANY(%(ids)s);

-- answers --
-- Answers about this hour, newest first, then about earlier hours back to `back`. Answers to an older prompt count too:
-- better than none. A replay reads only its own, and only those from `asked_since` on.
SELECT "windowStart" AS hour, "promptVersion" AS version, model, answer
FROM "GenAICall"
WHERE "windowStart" >= %(back)s AND "windowStart" <= %(since)s AND outcome = 'ok' AND replay = %(replay)s
  AND answer ? 'records'
  AND (%(asked_since)s::timestamp IS NULL OR at >= %(asked_since)s)
ORDER BY "windowStart" DESC, at DESC, "evidenceHash", id;

-- refused --
-- Questions that the agent refused. The same text would be refused again.
SELECT answer -> 'records' AS records
FROM "GenAICall"
WHERE at > %(since)s AND outcome = ANY(%(outcomes)s) AND "promptVersion" = %(version)s AND replay = %(replay)s
  AND answer ? 'records'
ORDER BY at, id;

-- spent --
-- Use in the hour and day before `now`: answered calls and failed attempts have separate limits. Replays count like
-- judgements. A failed attempt has tokens if it may have been paid for.
SELECT
  COALESCE(sum(COALESCE("tokensIn", 0) + COALESCE("tokensOut", 0)) FILTER (WHERE at > %(hour_ago)s), 0)::bigint
    AS tokens_hour,
  COALESCE(sum(COALESCE("tokensIn", 0) + COALESCE("tokensOut", 0)), 0)::bigint AS tokens_day,
  count(*) FILTER (WHERE outcome = 'ok' AND at > %(hour_ago)s) AS ok_hour,
  count(*) FILTER (WHERE outcome = 'ok') AS ok_day,
  count(*) FILTER (WHERE outcome <> 'ok' AND at > %(hour_ago)s) AS failed_hour,
  count(*) FILTER (WHERE outcome <> 'ok') AS failed_day
FROM "GenAICall"
WHERE at > %(day_ago)s AND at <= %(now)s;

-- failing --
-- Runs with a failure since the last answer, and whether this run is one of them. `unwell_here`: the agent was at fault,
-- not the question. One day is enough: the breaker holds back for an hour at most.
SELECT count(DISTINCT COALESCE(run, at::text)) AS runs, max(at) AS latest,
       COALESCE(bool_or(run = %(run)s), false) AS failed_here,
       COALESCE(bool_or(run = %(run)s AND outcome <> ALL(%(question_faults)s)), false) AS unwell_here
FROM "GenAICall"
WHERE at > %(day_ago)s AND at <= %(now)s AND NOT replay
  AND at > COALESCE((SELECT max(at) FROM "GenAICall" WHERE outcome = 'ok' AND at <= %(now)s), '-infinity');

-- record --
INSERT INTO "GenAICall" (id, at, "windowStart", "windowEnd", "promptVersion", "evidenceHash", model, "tokensIn",
                         "tokensOut", "latencyMs", cost, outcome, error, answer, run, replay)
VALUES (%(id)s, %(at)s, %(since)s, %(until)s, %(version)s, %(hash)s, %(model)s, %(tokens_in)s,
        %(tokens_out)s, %(latency_ms)s, %(cost)s, %(outcome)s, %(error)s, %(answer)s, %(run)s, %(replay)s);

-- similar_issues --
-- Full text: an issue is similar if the question has at least two of its words and half of its title's words. (ts_rank
-- does not fit: it divides by the question's length.) Only issues resolved before the window's end, so that a rerun of
-- the window finds the same.
WITH question AS (
  SELECT replace(plainto_tsquery('english', %(text)s)::text, '&', '|')::tsquery AS any_word,
         tsvector_to_array(to_tsvector('english', %(text)s)) AS words
), candidate AS (
  SELECT i.type, i.title, i."rootCause" AS root_cause, i.recommendation, i."resolvedAt" AS resolved_at, question.words,
         tsvector_to_array(to_tsvector('english', left(i.title, 500))) AS title_words,
         tsvector_to_array(to_tsvector('english', left(i.title || ' ' || i.description, 4000))) AS all_words
  FROM "LogIssue" i, question
  WHERE i.status = 'resolved' AND i."resolvedAt" < %(until)s AND numnode(question.any_word) > 0
    AND to_tsvector('english', left(i.title || ' ' || i.description, 4000)) @@ question.any_word
), compared AS (
  SELECT candidate.*,
         (SELECT count(*) FROM unnest(title_words) word WHERE word = ANY(words)) AS in_title,
         (SELECT count(*) FROM unnest(all_words) word WHERE word = ANY(words)) AS in_all
  FROM candidate
)
SELECT type, title, root_cause, recommendation
FROM compared
WHERE in_all >= 2 AND 2 * in_title >= cardinality(title_words)
ORDER BY in_all DESC, resolved_at DESC, title
LIMIT %(limit)s;

-- incident_issues --
-- The issues of an incident, from first to last.
SELECT i.id, i.source, i.type, i.severity, i.title, i.metadata -> 'nodes' AS nodes,
  i.metadata ->> 'fingerprint' AS fingerprint, e."firstSlot" AS first, i."detectedAt" AS detected,
  i.metadata -> 'affectedCount' AS affected, i.metadata ->> 'runbook' AS runbook
FROM "LogIssue" AS i LEFT JOIN "IssueEpisode" AS e ON e.id = i.id
WHERE i.id = ANY (%(ids)s::uuid[])
ORDER BY i."detectedAt", i.id;

-- similar_incidents --
-- Earlier incidents that began with the same pattern or had an issue of the same rule and subject: their ends, and people's
-- comments.
WITH alike AS (
  SELECT COALESCE(array_agg(id), '{}') AS ids FROM "IssueEpisode" WHERE fingerprint = ANY (%(fingerprints)s::varchar[])
)
SELECT i.title, i."startedAt" AS started,
  (SELECT COALESCE(l.metadata ->> 'resolvedBy' || ': ', '') || (l.metadata ->> 'resolvedReason')
   FROM "LogIssue" AS l WHERE l.id = ANY (i.issues) AND l.metadata ? 'resolvedReason'
   ORDER BY (l.metadata ? 'resolvedBy') DESC, l."resolvedAt" DESC, l.id LIMIT 1) AS reason,
  (SELECT v.verdict || COALESCE(': ' || v.why, '') FROM "IssueVerdict" AS v
   WHERE v.issue = ANY (i.issues) ORDER BY v.at DESC, v.issue LIMIT 1) AS verdict,
  (SELECT h.why FROM "IssueHandling" AS h
   WHERE h.issue = ANY (i.issues) AND h.why <> '' ORDER BY h.at DESC, h.id LIMIT 1) AS said
FROM "Incident" AS i, alike
WHERE i.id <> %(id)s AND i.status = 'resolved' AND i."startedAt" < %(started)s
  AND (i."firstPattern" = %(pattern)s::varchar OR i.issues && alike.ids)
ORDER BY i."startedAt" DESC, i.id
LIMIT %(limit)s;

-- case_answers --
-- Answers about incidents whose explained issue began in these hours, newest first.
SELECT "windowStart" AS hour, "promptVersion" AS version, "evidenceHash" AS hash, model, answer
FROM "GenAICall"
WHERE "windowStart" = ANY (%(hours)s::timestamp[]) AND outcome = 'ok' AND NOT replay AND answer ? 'issue'
ORDER BY at DESC, id;

-- case_failures --
-- Attempts of the last day at a question that failed and where the question itself may be the reason.
SELECT count(*) AS attempts, count(*) FILTER (WHERE outcome = ANY (%(refusals)s::varchar[])) AS refusals
FROM "GenAICall"
WHERE at > %(since)s AND "evidenceHash" = %(hash)s AND "promptVersion" = %(version)s AND NOT replay
  AND outcome = ANY (%(faults)s::varchar[]);

-- asked_milliseconds --
-- The time that a run has spent on the agent so far.
SELECT COALESCE(sum("latencyMs"), 0)::bigint AS spent FROM "GenAICall" WHERE run = %(run)s AND at > %(since)s;

-- explained_hours --
-- The hours among these that have a stored explanation of an incident.
SELECT hour FROM unnest(%(hours)s::timestamp[]) AS hour
WHERE EXISTS (
  SELECT FROM "IssueOccurrence"
  WHERE slot >= hour AND slot < hour + interval '1 hour' AND source = 'genai' AND rule = %(rule)s
);

-- lock_incidents --
-- One run at a time asks about incidents; a second would pay twice. A session lock, like that of an hour.
SELECT pg_try_advisory_lock(hashtextextended('genai incidents', 0)) AS "held";

-- unlock_incidents --
SELECT pg_advisory_unlock(hashtextextended('genai incidents', 0));

-- mark_analyzed --
-- Only rows that change: updating all rows would rewrite the table on every rerun.
UPDATE "LogEntry"
SET analyzed = true
WHERE timestamp >= %(since)s AND timestamp < %(until)s AND analyzed IS NOT TRUE;
