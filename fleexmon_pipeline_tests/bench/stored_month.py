"""A month of two nodes as the product leaves it, made by the server: lines, counts, coverage, issues, deployments.

Here: rows for measurements of what reads them. Collecting them would take longer than all measurements.
"""

from __future__ import annotations

from datetime import datetime

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.patterns.day_sums import sum_days
from fleexmon_pipeline.window import DAY, Window

NODES = ("blue", "green")
OTHERS = tuple(f"retired-{number}" for number in range(1, 9))
PATTERNS = 500
ISSUES = 3_000
_LINES = """
INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, metadata, analyzed)
SELECT
  (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '8' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
  at, CASE WHEN k %% 25 = 0 THEN 'error' WHEN k %% 11 = 0 THEN 'warn' ELSE 'info' END,
  'service s' || k || ': request ' || substr(hash, 1, 8) || ' of customer ' || n %% 9973 || ' answered with 200 after '
    || n %% 977 || ' ms, cart of ' || n %% 13 || ' items priced at ' || n %% 499 || '.00 EUR, cache hit in region eu-west',
  (%(nodes)s::text[])[n %% cardinality(%(nodes)s::text[]) + 1], '127.0.0.1',
  jsonb_build_object('service', 'shop', 'requestId', substr(hash, 1, 16), 'trace_id', hash), true
FROM generate_series(1, %(rows)s) AS n,
  LATERAL (
    SELECT %(since)s::timestamp + n * %(step)s AS at, md5(%(seed)s || n) AS hash,
      floor(%(patterns)s * power(hashtext(%(seed)s || n)::bigint::float8 / 4294967296.0 + 0.5, 8))::int AS k
  ) AS made
"""  # noqa: E501 - a measurement's own text
_PATTERNS = """
INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion")
SELECT substr(md5('pattern ' || k), 1, 16),
  'service s' || k || ': request <hex> of customer <num> answered with <num> after <num> ms, cart of <num> items '
    || 'priced at <num> EUR, cache hit in region eu-west',
  CASE WHEN k %% 25 = 0 THEN 'error' WHEN k %% 11 = 0 THEN 'warn' ELSE 'info' END,
  %(since)s::timestamp + k * interval '1 hour', %(until)s, %(mask_version)s
FROM generate_series(0, %(patterns)s - 1) AS k
"""
_COUNTS = """
INSERT INTO "LogPatternCount" (slot, node, pattern, level, count, samples)
SELECT date_bin('5 minutes', timestamp, TIMESTAMP '1970-01-01'), source,
  substr(md5('pattern ' || substring(message FROM 10 FOR strpos(message, ':') - 10)), 1, 16), level, count(*),
  (array_agg(id))[1:3]
FROM "LogEntry" GROUP BY 1, 2, 3, 4
"""
_COVERAGE = """
INSERT INTO "LogCoverage" (node, slot, status, received, stored, "updatedAt", run)
SELECT polled.node, polled.slot,
  CASE WHEN lines IS NULL THEN 'empty' WHEN extract(hour FROM polled.slot) = 3 THEN 'partial' ELSE 'complete' END,
  COALESCE(lines, 0), COALESCE(lines, 0), polled.slot, gen_random_uuid()
FROM (
  SELECT node, slot FROM unnest(%(nodes)s::text[]) AS node CROSS JOIN generate_series(
    date_bin('5 minutes', %(since)s, TIMESTAMP '1970-01-01'), %(end)s - interval '1 microsecond', interval '5 minutes'
  ) AS slot
) AS polled
LEFT JOIN (SELECT node, slot, sum(count) AS lines FROM "LogPatternCount" GROUP BY 1, 2) AS counted USING (node, slot)
"""
_ISSUES = """
WITH made AS (
  SELECT n, rule || ':pattern:' || pattern || '@' || node AS fingerprint, rule, pattern, node,
    %(until)s::timestamp - n * interval '14 minutes' AS at
  FROM generate_series(1, %(issues)s) AS n,
    LATERAL (
      SELECT (ARRAY['repeated-error', 'unusual-pattern', 'new-error'])[n %% 3 + 1] AS rule,
        substr(md5('pattern ' || n %% 200), 1, 16) AS pattern, CASE WHEN n %% 2 = 0 THEN 'blue' ELSE 'green' END AS node
    ) AS named
), stored AS (
  INSERT INTO "LogIssue" (id, type, severity, title, description, recommendation, source, status, "detectedAt",
    "updatedAt", "resolvedAt", metadata, "affectedLogs")
  SELECT md5('issue ' || n)::uuid, rule, (ARRAY['low', 'medium', 'high', 'critical'])[n %% 4 + 1],
    node || ': service s' || n || ' answered with 500 more often than it should, ' || n || ' times in 15 minutes',
    'The pattern "service s' || n || ': request <hex>" had ' || n || ' lines.', 'Look first at the deployment.',
    'detector', CASE WHEN n <= 150 THEN 'open' ELSE 'resolved' END, at, at + interval '1 hour',
    CASE WHEN n > 150 THEN at + interval '2 hours' END,
    jsonb_build_object('fingerprint', fingerprint, 'rule', rule, 'ruleVersion', '1', 'nodes', ARRAY[node],
      'pattern', pattern, 'occurrences', 12, 'affectedCount', n, 'runbook', 'repeated-error', 'run', gen_random_uuid()),
    (SELECT array_agg(id) FROM (
      SELECT id FROM "LogEntry" WHERE timestamp >= at AND source = node ORDER BY timestamp LIMIT 50) AS lines)
  FROM made RETURNING id
), episodes AS (
  INSERT INTO "IssueEpisode" (id, fingerprint, "firstSlot", "lastSlot")
  SELECT md5('issue ' || n)::uuid, fingerprint, slot, slot + interval '1 hour'
  FROM made, LATERAL (SELECT date_bin('5 minutes', at, TIMESTAMP '1970-01-01') AS slot) AS first
)
INSERT INTO "IssueOccurrence" (fingerprint, slot, subject, rule, "ruleVersion", source, type, severity, title,
  description, nodes, grace, affected, evidence, metadata)
SELECT fingerprint, date_bin('5 minutes', at, TIMESTAMP '1970-01-01') + s * interval '5 minutes',
  subject_of(fingerprint), rule, '1', 'detector', rule, 'high', 'repeated', 'It repeated.', ARRAY[node],
  interval '1 hour', n, '{}', '{}'
FROM made, generate_series(0, 12) AS s
ON CONFLICT DO NOTHING
"""
_INCIDENTS = """
INSERT INTO "Incident" (id, title, severity, status, nodes, "startedAt", "lastSeenAt", "endedAt", issues, headline,
  figures, changes)
SELECT md5('issue ' || first)::uuid, 'blue: service s' || first || ' answered with 500 more often than it should',
  'high', CASE WHEN first <= 150 THEN 'open' ELSE 'resolved' END, '{blue,green}', at - interval '2 hours',
  at + interval '1 hour', CASE WHEN first > 150 THEN at + interval '2 hours' END,
  (SELECT array_agg(md5('issue ' || n)::uuid ORDER BY n) FROM generate_series(first, first + 9) AS n),
  md5('issue ' || first)::uuid, '{"lines": 20000, "errors": 800, "usualErrors": 12, "ofPattern": 700}', '[]'
FROM generate_series(1, %(issues)s, 10) AS first,
  LATERAL (SELECT %(until)s::timestamp - first * interval '14 minutes' AS at) AS ended
"""
_DEPLOYMENTS = """
INSERT INTO "Deployment" (node, version, at, by, source)
SELECT (ARRAY['blue', 'green'])[n %% 2 + 1], '1.' || n || '.0', %(until)s::timestamp - n * interval '9 hours', 'lines',
  'line'
FROM generate_series(1, 60) AS n
"""


def fill(url: str, rows: int, until: datetime, mask_version: int, *, own: int | None = None) -> None:
    """`rows` lines in the 30 days before `until`, and everything that follows from them; the server at rest.

    Half of them are blue's, half green's. `own`: so many of them, and the others are of OTHERS, which were there until
    two days before the end: then an hour of the last days has as many lines however many are stored. Every slot of a
    node is covered, whether it has lines or not; each day one hour of each node is partial.
    """
    since, own = until - 30 * DAY, rows if own is None else min(own, rows)
    params = {"since": since, "until": until, "patterns": PATTERNS, "issues": ISSUES, "mask_version": mask_version}
    groups = [(NODES, own, until)] + ([(OTHERS, rows - own, until - 2 * DAY)] if rows > own else [])
    with connect(url) as connection:
        for nodes, lines, end in groups:
            of_nodes = {"rows": lines, "nodes": list(nodes), "step": (end - since) / (lines + 1), "seed": nodes[0]}
            connection.execute(_LINES, {**params, **of_nodes})
        for statement in (_PATTERNS, _COUNTS):
            connection.execute(statement, params)
        connection.execute('ANALYZE "LogPatternCount"')
        for nodes, _, end in groups:
            connection.execute(_COVERAGE, {"nodes": list(nodes), "since": since, "end": end})
        for statement in (_ISSUES, _INCIDENTS, _DEPLOYMENTS):
            connection.execute(statement, params)
        connection.execute('DELETE FROM "IncidentMark"')
        sum_days(connection, now=until)
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def fill_day(url: str, rows: int, day: Window) -> None:
    """`rows` lines of two nodes, spread over a day, and nothing else; the server at rest."""
    with connect(url) as connection:
        spread = {"rows": rows, "since": day.since, "step": day.length / (rows + 1), "seed": "day"}
        connection.execute(_LINES, {**spread, "nodes": list(NODES), "patterns": PATTERNS})
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
