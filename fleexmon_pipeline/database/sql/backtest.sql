-- scratch_baselines --
-- The session's own table of that name comes before the real one: new baselines go there, stored ones are used.
CREATE TEMPORARY TABLE "NodeBaseline" AS
SELECT * FROM "NodeBaseline" WHERE day >= %(since)s::timestamp - interval '2 days' AND day <= %(until)s;

-- scratch_key --
ALTER TABLE pg_temp."NodeBaseline" ADD PRIMARY KEY (node, day);

-- only_scratch --
-- From here on, the server refuses all other writes, whatever a rule or a later change of this code tries.
SET default_transaction_read_only = on;

-- as_before --
RESET default_transaction_read_only;

-- drop_scratch --
DROP TABLE pg_temp."NodeBaseline";

-- known --
-- The window of which anything is known.
SELECT min(slot) AS since, max(slot) + interval '5 minutes' AS until
FROM "LogCoverage" WHERE slot_is_known(status);

-- slots_known --
-- How many of the window's slots are covered, by node.
SELECT node, count(*) FILTER (WHERE slot_is_known(status)) AS slots, COALESCE(sum(stored), 0)::bigint AS lines
FROM "LogCoverage" WHERE slot >= %(since)s AND slot < %(until)s GROUP BY node ORDER BY node;

-- oldest_line --
SELECT LEAST((SELECT min(timestamp) FROM "LogEntry"), (SELECT min(day) FROM "ArchivedDay" WHERE state = 'archived')) AS timestamp;

-- verdicts --
-- People's verdicts on issues. An issue may have been joined to another or deleted since: then its id has its beginning.
SELECT v.issue, v.fingerprint, v.verdict, e."firstSlot" AS first, e."lastSlot" AS last
FROM "IssueVerdict" AS v LEFT JOIN "IssueEpisode" AS e ON e.id = v.issue
WHERE v.fingerprint IS NOT NULL
ORDER BY v.at, v.issue;
