-- scratch_baselines --
-- A temporary table of the same name hides the real one: new baselines are written to it, and it starts with the stored ones.
CREATE TEMPORARY TABLE "NodeBaseline" AS
SELECT * FROM "NodeBaseline" WHERE day >= %(since)s::timestamp - interval '2 days' AND day <= %(until)s;

-- scratch_key --
ALTER TABLE pg_temp."NodeBaseline" ADD PRIMARY KEY (node, day);

-- only_scratch --
-- From here on the server refuses all other writes, even if a rule or a later change of this code tries one.
SET default_transaction_read_only = on;

-- as_before --
RESET default_transaction_read_only;

-- drop_scratch --
DROP TABLE pg_temp."NodeBaseline";

-- known --
-- The window for which any data is stored.
SELECT min(slot) AS since, max(slot) + interval '5 minutes' AS until
FROM "LogCoverage" WHERE slot_is_known(status);

-- slots_known --
-- How many of the window's slots are covered, by node.
SELECT node, count(*) FILTER (WHERE slot_is_known(status)) AS slots, COALESCE(sum(stored), 0)::bigint AS lines
FROM "LogCoverage" WHERE slot >= %(since)s AND slot < %(until)s GROUP BY node ORDER BY node;

-- oldest_line --
SELECT LEAST((SELECT min(timestamp) FROM "LogEntry"), (SELECT min(day) FROM "ArchivedDay" WHERE state = 'archived')) AS timestamp;

-- verdicts --
-- People's verdicts on issues. If an issue was joined to another or deleted since, its start is taken from its id.
SELECT v.issue, v.fingerprint, v.verdict, e."firstSlot" AS first, e."lastSlot" AS last
FROM "IssueVerdict" AS v LEFT JOIN "IssueEpisode" AS e ON e.id = v.issue
WHERE v.fingerprint IS NOT NULL
ORDER BY v.at, v.issue;
