-- gap_hours --
-- Hours that the catch-up sensor requests, oldest first: hours between a node's first slot and now with slots that are
-- partial, missing or were never polled. Also hours without a successful poll for late lines 70 minutes after their end:
-- that run was killed, or the node was down.
-- By primary key, node by node: this runs every minute, and coverage is kept for 400 days.
WITH polled AS (
  SELECT node, first, answered
  FROM unnest(%(nodes)s::text[]) AS node
  CROSS JOIN LATERAL (SELECT slot AS first FROM "LogCoverage" c WHERE c.node = node.node ORDER BY slot LIMIT 1) AS begin
  CROSS JOIN LATERAL (
    SELECT max("updatedAt") FILTER (WHERE slot_is_known(status) AND error IS NULL) AS answered
    FROM "LogCoverage" c WHERE c.node = node.node AND slot >= %(since)s
  ) AS since
),
due AS (
  SELECT polled.node, polled.answered, slot
  FROM polled, generate_series(GREATEST(polled.first, %(since)s::timestamp), %(until)s::timestamp - interval '5 minutes',
    interval '5 minutes') AS slot
)
SELECT date_trunc('hour', due.slot) AS hour, count(*) AS slots, min(COALESCE(c.attempts, 0)) AS attempts,
  count(*) FILTER (WHERE slot_is_known(c.status)) AS late, max(c."updatedAt") AS "triedAt",
  bool_or(due.answered > c."updatedAt") AS "answersAgain"
FROM due LEFT JOIN "LogCoverage" c ON c.node = due.node AND c.slot = due.slot AND c.slot >= %(since)s
WHERE slot_is_known(c.status) IS NOT TRUE
  OR (date_trunc('hour', due.slot) + interval '130 minutes' <= %(until)s
    AND (c."updatedAt" < date_trunc('hour', due.slot) + interval '130 minutes' OR c.error IS NOT NULL))
GROUP BY 1
ORDER BY 1;

-- note_waiting --
-- A stage could not finish this hour. Backoff grows: 5, 10, 20 … minutes up to 6 hours. An attempt that was not due yet
-- does not count.
INSERT INTO "StaleWindow" AS w (asset, hour, reason, attempts, "nextAt")
VALUES (%(asset)s, %(hour)s, %(reason)s, 1, %(now)s::timestamp + interval '5 minutes')
ON CONFLICT (asset, hour) DO UPDATE SET
  reason = excluded.reason,
  attempts = w.attempts + (w."nextAt" <= %(now)s::timestamp)::integer,
  "nextAt" = CASE WHEN w."nextAt" > %(now)s::timestamp THEN w."nextAt"
    ELSE %(now)s::timestamp + LEAST(interval '5 minutes' * power(2, LEAST(w.attempts, 10)), interval '6 hours') END;

-- no_longer_waiting --
-- A note becomes due minutes after it is written, so a note that was due when the work began is older than the work.
DELETE FROM "StaleWindow"
WHERE asset = %(asset)s AND hour >= %(since)s AND hour < %(until)s
  AND (%(due_by)s::timestamp IS NULL OR "nextAt" <= %(due_by)s);

-- waiting --
SELECT asset, hour, reason, attempts, "nextAt" FROM "StaleWindow"
WHERE asset = %(asset)s OR %(asset)s::text IS NULL
ORDER BY hour, asset;

-- forget_waiting --
DELETE FROM "StaleWindow" WHERE hour < %(before)s;
