-- sample_disk --
INSERT INTO "DiskSample" (at, free, total)
SELECT %(now)s, %(free)s, %(total)s
WHERE NOT EXISTS (SELECT FROM "DiskSample" WHERE at > %(earlier)s AND at <= %(now)s)
ON CONFLICT DO NOTHING;

-- forget_samples --
DELETE FROM "DiskSample" WHERE at < %(old)s;

-- disk_samples --
-- Those of another size belong to another disk.
SELECT at, free, total
FROM "DiskSample"
WHERE at > %(since)s AND at <= %(now)s
  AND total = (SELECT total FROM "DiskSample" WHERE at <= %(now)s ORDER BY at DESC LIMIT 1)
ORDER BY at;

-- backlog --
-- Hours that wait for a stage, without the newest ones, which the schedules are about to run.
SELECT count(DISTINCT hour) AS hours FROM "StaleWindow" WHERE hour < %(before)s AND attempts < 12;

-- failing_channels --
SELECT s.channel AS name, s."failingSince" AS since, (
  SELECT count(*) FROM "ChannelMessage" AS m WHERE m.channel = s.channel AND m.status = 'waiting'
) AS waiting
FROM "ChannelState" AS s
WHERE s."failingSince" IS NOT NULL
ORDER BY s.channel;
