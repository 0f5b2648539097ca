-- is_new --
-- Lines without coverage come from another collector, with other ids: collecting would store them twice.
SELECT NOT EXISTS (SELECT FROM "LogCoverage") AND NOT EXISTS (SELECT FROM "LogEntry") AS is_new;

-- open_issues --
SELECT id, severity, title, "detectedAt",
  ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(metadata -> 'nodes') WHEN 'array' THEN metadata -> 'nodes' END)) AS nodes
FROM "LogIssue" WHERE status = 'open' ORDER BY "detectedAt", id LIMIT 1000;

-- digest --
SELECT day, figures, markdown, html FROM "LogDigest"
WHERE day = COALESCE(%(day)s::date, (SELECT max(day) FROM "LogDigest"));

-- coverage --
SELECT node,
  count(*) FILTER (WHERE slot_is_known(status)) AS whole,
  count(*) FILTER (WHERE NOT slot_is_known(status)) AS broken,
  max(slot) AS newest,
  (array_agg(error ORDER BY slot DESC) FILTER (WHERE error IS NOT NULL))[1] AS error
FROM "LogCoverage" WHERE slot >= %(since)s GROUP BY node ORDER BY node;

-- useless_answers --
SELECT outcome, count(*) AS count, max(at) AS newest
FROM "GenAICall"
WHERE at > %(since)s AND at <= %(until)s AND outcome = ANY (%(outcomes)s::varchar[])
GROUP BY outcome ORDER BY outcome;

-- nodes_ever --
SELECT node, max(slot) AS newest FROM "LogCoverage" GROUP BY node ORDER BY node;

-- has_checks --
SELECT to_regclass('asset_check_executions') IS NOT NULL;

-- failed_checks --
-- The latest evaluation of each check. One that was not evaluated for a week belongs to an earlier version, or its
-- schedule is off, which is reported.
SELECT asset_key, check_name, evaluation_event::text, evaluation_event_timestamp
FROM asset_check_executions
WHERE id IN (
  SELECT max(id) FROM asset_check_executions
  WHERE execution_status IN ('SUCCEEDED', 'FAILED') AND evaluation_event_timestamp >= %(since)s
  GROUP BY asset_key, check_name
) AND execution_status = 'FAILED'
ORDER BY asset_key, check_name;

-- connections --
-- The connections that a role may have, by the server's limit or its own, and those in use. Of other roles' connections
-- only the number is visible.
SELECT LEAST(
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer,
    CASE WHEN rolconnlimit >= 0 THEN rolconnlimit ELSE 100000 END) AS room,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS taken,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = current_user) AS used
FROM pg_roles WHERE rolname = current_user;
