-- lock_enqueue --
SELECT pg_advisory_xact_lock(hashtextextended('fleexmon channel messages', 0));

-- known_keys --
-- Keys of which messages were or will be sent to a channel.
SELECT DISTINCT key FROM "ChannelMessage" WHERE channel = %(channel)s AND key = ANY (%(keys)s::text[]);

-- queued --
SELECT key, "eventId" AS event_id FROM "ChannelMessage" WHERE channel = %(channel)s AND key = ANY (%(keys)s::text[]);

-- enqueue --
-- The row's key ensures that an event is sent to a channel only once.
INSERT INTO "ChannelMessage" (channel, key, "eventId", event, severity, message, "createdAt")
VALUES (%(channel)s, %(key)s, %(event_id)s, %(event)s, %(severity)s, %(message)s, %(now)s)
ON CONFLICT DO NOTHING
RETURNING key;

-- state --
SELECT failures, "lastError" AS last_error, "lastFailureAt" AS last_failure, "lastSuccessAt" AS last_success,
  "failingSince" AS failing_since, "nextAttemptAt" AS next_attempt, "heldUntil" AS held_until
FROM "ChannelState"
WHERE channel = %(channel)s;

-- waiting --
SELECT key, "eventId" AS event_id, event, severity, message, attempts, unproven, accepted, "createdAt" AS created_at,
  "lastError" AS error
FROM "ChannelMessage"
WHERE channel = %(channel)s AND status = 'waiting' AND (
  "nextAttemptAt" IS NULL OR "nextAttemptAt" <= %(now)s OR "nextAttemptAt" > %(latest)s OR %(by_hand)s
)
ORDER BY position
LIMIT %(limit)s;

-- sent_since --
-- For storm control: messages sent lately, and the time of the last summary.
SELECT count(*) FILTER (WHERE "sentAt" > %(since)s AND event NOT IN ('test', 'summary')) AS sent,
  max("sentAt") FILTER (WHERE event = 'summary') AS summary
FROM "ChannelMessage"
WHERE channel = %(channel)s AND status = 'sent' AND "sentAt" > %(since)s AND "sentAt" <= %(now)s;

-- merge --
UPDATE "ChannelMessage" SET status = 'merged', "mergedInto" = %(into)s
WHERE channel = %(channel)s AND status = 'waiting' AND "eventId" = ANY (%(event_ids)s::text[])
  AND key = ANY (%(keys)s::text[])
RETURNING key;

-- dissolve --
-- A summary that did not arrive: its messages are planned again, together with newer ones.
WITH gone AS (
  DELETE FROM "ChannelMessage"
  WHERE channel = %(channel)s AND status = 'waiting' AND event = 'summary' AND unproven = 0 AND NOT "inFlight"
  RETURNING "eventId"
)
UPDATE "ChannelMessage" SET status = 'waiting', "mergedInto" = NULL
WHERE channel = %(channel)s AND status = 'merged' AND "mergedInto" IN (SELECT "eventId" FROM gone);

-- try_lock --
-- Of two concurrent deliveries one sends, the other leaves the channel alone. The lock is the session's: a request takes
-- seconds.
SELECT pg_try_advisory_lock(hashtextextended('fleexmon channel ' || %(channel)s, 0)) AS locked;

-- unlock --
SELECT pg_advisory_unlock(hashtextextended('fleexmon channel ' || %(channel)s, 0));

-- begin --
-- Before the request: after a kill -9 the next attempt knows that this one may have arrived.
UPDATE "ChannelMessage" AS m
SET attempts = m.attempts + 1, "inFlight" = true, unproven = m.unproven + m."inFlight"::int
WHERE channel = %(channel)s AND key = %(key)s AND "eventId" = %(event_id)s AND status = 'waiting'
RETURNING attempts, unproven, accepted;

-- accepted --
UPDATE "ChannelMessage" SET accepted = array_append(accepted, %(target)s)
WHERE channel = %(channel)s AND key = %(key)s AND "eventId" = %(event_id)s;

-- thread --
SELECT thread FROM "ChannelThread" WHERE channel = %(channel)s AND key = %(key)s;

-- set_thread --
INSERT INTO "ChannelThread" (channel, key, thread, "updatedAt") VALUES (%(channel)s, %(key)s, %(thread)s, %(now)s)
ON CONFLICT (channel, key) DO UPDATE SET thread = EXCLUDED.thread, "updatedAt" = EXCLUDED."updatedAt";

-- sent --
UPDATE "ChannelMessage"
SET status = 'sent', "sentAt" = %(now)s, "inFlight" = false, "lastError" = NULL, "nextAttemptAt" = NULL
WHERE channel = %(channel)s AND key = %(key)s AND "eventId" = %(event_id)s;

-- not_sent --
UPDATE "ChannelMessage"
SET status = %(status)s, "inFlight" = false, unproven = unproven + %(unproven)s, "lastError" = %(error)s,
  "nextAttemptAt" = %(next)s
WHERE channel = %(channel)s AND key = %(key)s AND "eventId" = %(event_id)s;

-- channel_works --
INSERT INTO "ChannelState" AS s (channel, "lastSuccessAt") VALUES (%(channel)s, %(now)s)
ON CONFLICT (channel) DO UPDATE
SET failures = 0, "failingSince" = NULL, "lastError" = NULL, "nextAttemptAt" = NULL, "heldUntil" = NULL,
  "lastSuccessAt" = EXCLUDED."lastSuccessAt";

-- channel_fails --
INSERT INTO "ChannelState" AS s
  (channel, failures, "failingSince", "lastError", "lastFailureAt", "nextAttemptAt", "heldUntil")
VALUES (%(channel)s, 1, %(now)s, %(error)s, %(now)s, %(next)s, %(held)s)
ON CONFLICT (channel) DO UPDATE
SET failures = s.failures + 1, "failingSince" = COALESCE(s."failingSince", EXCLUDED."failingSince"),
  "lastError" = EXCLUDED."lastError", "lastFailureAt" = EXCLUDED."lastFailureAt",
  "nextAttemptAt" = EXCLUDED."nextAttemptAt", "heldUntil" = EXCLUDED."heldUntil";

-- overview --
-- A row for each channel that has a state or messages.
SELECT COALESCE(s.channel, m.channel) AS channel, COALESCE(m.waiting, 0) AS waiting, COALESCE(m.failed, 0) AS failed,
  COALESCE(m.sent, 0) AS sent, m.oldest, m.error, s."lastSuccessAt" AS last_success, s."lastFailureAt" AS last_failure,
  s."failingSince" AS failing_since, s."lastError" AS last_error, s."nextAttemptAt" AS next_attempt
FROM "ChannelState" AS s
FULL JOIN (
  SELECT channel, count(*) FILTER (WHERE status = 'waiting') AS waiting,
    count(*) FILTER (WHERE status = 'failed' AND "createdAt" > %(since)s) AS failed,
    count(*) FILTER (WHERE status = 'sent' AND "sentAt" > %(since)s) AS sent,
    min("createdAt") FILTER (WHERE status = 'waiting') AS oldest,
    max("lastError") FILTER (WHERE status IN ('waiting', 'failed')) AS error
  FROM "ChannelMessage"
  GROUP BY channel
) AS m ON m.channel = s.channel
ORDER BY 1;

-- last_events --
-- The last event of each incident that was sent to any channel, in the order of sending.
SELECT key, event, message
FROM (
  SELECT DISTINCT ON (key) key, event, message, min(position) OVER (PARTITION BY key) AS first
  FROM "ChannelMessage"
  WHERE key LIKE 'incident:%%'
  ORDER BY key, position DESC
) AS latest
ORDER BY first;
