-- enqueue --
-- The same content leaves the row unchanged. A delay that GitHub asked for also applies to new content.
INSERT INTO "Outbox" AS old (key, desired, "createdAt", "updatedAt")
VALUES (%(key)s, %(desired)s, %(now)s, %(now)s)
ON CONFLICT (key) DO UPDATE SET desired = EXCLUDED.desired, "updatedAt" = EXCLUDED."updatedAt"
WHERE old.desired IS DISTINCT FROM EXCLUDED.desired
RETURNING key;

-- due --
-- A person's attempt does not wait for our own delays, only for what GitHub asked for.
SELECT key FROM "Outbox"
WHERE desired IS DISTINCT FROM shown AND (
  "nextAttemptAt" IS NULL OR "nextAttemptAt" <= %(now)s
  OR %(by_hand)s AND ("heldUntil" IS NULL OR "heldUntil" <= %(now)s)
)
ORDER BY "createdAt", key
LIMIT %(limit)s;

-- counts --
SELECT count(*) FILTER (WHERE desired = shown) AS unchanged,
       count(*) FILTER (WHERE desired IS DISTINCT FROM shown) AS waiting
FROM "Outbox";

-- rows --
SELECT count(*) AS rows FROM "Outbox";

-- failed --
-- Rows that wait after a failed attempt, and why.
SELECT key, "lastError" AS error FROM "Outbox"
WHERE desired IS DISTINCT FROM shown AND "lastError" IS NOT NULL
ORDER BY "createdAt", key;

-- try_lock --
-- Of two concurrent deliveries, one posts and the other skips the key. The lock is the session's, not a transaction's: a
-- request to GitHub takes seconds.
SELECT pg_try_advisory_lock(hashtextextended('fleexmon outbox ' || %(key)s, 0)) AS locked;

-- unlock --
SELECT pg_advisory_unlock(hashtextextended('fleexmon outbox ' || %(key)s, 0));

-- begin --
-- Counted before the request: after a kill -9, the next attempt knows that the last one may have reached GitHub.
UPDATE "Outbox" SET attempts = attempts + 1
WHERE key = %(key)s AND desired IS DISTINCT FROM shown
RETURNING key, desired, shown, number, attempts - 1 AS attempts, "createdAt" AS created_at;

-- show --
-- What GitHub shows after a step; more steps for the same content may follow.
UPDATE "Outbox" SET shown = %(shown)s, number = %(number)s, url = COALESCE(%(url)s, url), "updatedAt" = %(now)s WHERE key = %(key)s;

-- done --
UPDATE "Outbox"
SET shown = %(shown)s, attempts = 0, "lastError" = NULL, "nextAttemptAt" = NULL, "heldUntil" = NULL, "updatedAt" = %(now)s
WHERE key = %(key)s;

-- fail --
UPDATE "Outbox" SET "lastError" = %(error)s, "nextAttemptAt" = %(next)s, "heldUntil" = %(held)s, "updatedAt" = %(now)s
WHERE key = %(key)s;

-- hold --
-- GitHub's rate limit applies to all keys.
UPDATE "Outbox"
SET "nextAttemptAt" = GREATEST("nextAttemptAt", %(next)s), "heldUntil" = GREATEST("heldUntil", %(next)s)
WHERE desired IS DISTINCT FROM shown;

-- lock_alerts --
SELECT pg_advisory_xact_lock(hashtextextended('fleexmon alerts', 0));

-- queued_alerts --
-- Alerts of incidents, and those of issues, which earlier versions reported; the oldest first.
SELECT key, desired FROM "Outbox" WHERE key LIKE 'issue:%%' OR key LIKE 'incident:%%' ORDER BY "createdAt", key;

-- polled_at --
SELECT "polledAt" AS at FROM "GitHubPoll" WHERE repository = %(repository)s;

-- set_polled --
INSERT INTO "GitHubPoll" (repository, "polledAt") VALUES (%(repository)s, %(now)s)
ON CONFLICT (repository) DO UPDATE SET "polledAt" = EXCLUDED."polledAt";

-- alerts_by_number --
-- Alerts whose desired state GitHub shows. If something is still to be posted, a difference may be caused by ourselves.
SELECT key, number, desired FROM "Outbox"
WHERE number = ANY (%(numbers)s::int[]) AND desired = shown AND (key LIKE 'issue:%%' OR key LIKE 'incident:%%')
ORDER BY number;

-- open_alerts --
SELECT EXISTS (
  SELECT FROM "Outbox"
  WHERE number IS NOT NULL AND desired ->> 'state' = 'open' AND (key LIKE 'issue:%%' OR key LIKE 'incident:%%')
) AS any;

-- marked_as_noise --
-- Whether people have marked all these issues as noise.
SELECT count(*) = cardinality(%(ids)s::uuid[]) AS all
FROM "IssueVerdict" WHERE issue = ANY (%(ids)s::uuid[]) AND verdict = 'noise';

-- was_muted_by --
-- Includes mutes that have ended since.
SELECT EXISTS (SELECT FROM "IssueMute" WHERE why = %(why)s AND since >= %(since)s) AS any;

-- assigned_by --
SELECT assignee FROM "IssueHandling"
WHERE issue = ANY (%(ids)s::uuid[]) AND action = 'assign' AND why = %(why)s ORDER BY at DESC, id LIMIT 1;
