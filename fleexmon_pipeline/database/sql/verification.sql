-- lock_run --
SELECT pg_advisory_xact_lock(hashtextextended('fleexmon verification ' || %(run)s, 0));

-- recorded --
SELECT "resultsHash" AS results_hash, at, ARRAY (SELECT issue::text FROM unnest(issues) AS issue) AS issues
FROM "DeploymentVerification"
WHERE run = %(run)s;

-- write_line --
INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, metadata, analyzed)
VALUES (%(id)s, %(at)s, %(level)s, %(message)s, %(source)s, %(source)s, %(metadata)s, true)
ON CONFLICT (id) DO NOTHING;

-- record --
INSERT INTO "DeploymentVerification" (run, node, version, at, "resultsHash", failures, issues, "logEntry", "recordedAt")
VALUES (
  %(run)s, %(node)s, %(version)s, %(at)s, %(results_hash)s, %(failures)s, %(issues)s::uuid[], %(line)s, %(now)s
);

-- open_issues --
SELECT id FROM "LogIssue" WHERE metadata ->> 'fingerprint' = ANY (%(fingerprints)s::text[]) AND status = 'open' ORDER BY id;

-- resolved_at --
SELECT max("resolvedAt") AS at FROM "LogIssue" WHERE metadata ->> 'fingerprint' = ANY (%(fingerprints)s::text[]);

-- issues_of --
-- Open issues of these types from earlier verifications. A result without a node applies to all nodes.
SELECT id FROM "LogIssue"
WHERE status = 'open' AND type = ANY (%(types)s::text[]) AND metadata ->> 'fingerprint' LIKE 'e2e-%%'
  AND (%(node)s::text IS NULL OR type = 'e2e-health-check-failure' OR jsonb_array_length(metadata -> 'nodes') = 0
    OR metadata -> 'nodes' ? %(node)s)
ORDER BY id;
