-- subject_of --
-- Fingerprint and subject are null if another program made the issue.
SELECT id, status, title, metadata ->> 'fingerprint' AS fingerprint,
  subject_of(metadata ->> 'fingerprint') AS subject
FROM "LogIssue" WHERE id = %(id)s;

-- fingerprints_of --
SELECT id, metadata ->> 'fingerprint' AS fingerprint FROM "LogIssue" WHERE id = ANY (%(ids)s::uuid[]);

-- resolve --
-- Other programs resolve issues the same way; reconcile keeps them resolved. An issue already resolved stays as it is.
UPDATE "LogIssue"
SET status = 'resolved', "resolvedAt" = %(now)s,
  metadata = CASE jsonb_typeof(metadata) WHEN 'object' THEN metadata ELSE '{}' END
    || jsonb_build_object('resolvedBy', %(by)s::text, 'resolvedReason', %(why)s::text)
WHERE id = %(id)s AND status IS DISTINCT FROM 'resolved';

-- record_verdict --
INSERT INTO "IssueVerdict" (issue, fingerprint, verdict, "by", why, at)
VALUES (%(id)s, %(fingerprint)s, %(verdict)s, %(by)s, %(why)s, %(now)s)
ON CONFLICT (issue) DO UPDATE SET verdict = EXCLUDED.verdict, "by" = EXCLUDED."by", why = EXCLUDED.why, at = EXCLUDED.at;

-- mute --
INSERT INTO "IssueMute" (id, fingerprint, node, rule, everything, "by", why, since, until)
VALUES (%(id)s, %(fingerprint)s, %(node)s, %(rule)s, %(everything)s, %(by)s, %(why)s, %(now)s, %(until)s)
ON CONFLICT (id) DO NOTHING;

-- unmute --
UPDATE "IssueMute" SET "endedAt" = %(now)s, "endedBy" = %(by)s, "endedWhy" = %(why)s
WHERE "endedAt" IS NULL AND (until IS NULL OR until > %(now)s)
  AND (fingerprint = %(fingerprint)s::text OR node = %(node)s::text OR rule = %(rule)s::text OR everything AND %(everything)s);

-- muted --
-- Mutes in force, latest first.
SELECT fingerprint, node, rule, everything, "by", why, since, until
FROM "IssueMute"
WHERE "endedAt" IS NULL AND (until IS NULL OR until > %(now)s)
ORDER BY since DESC, id;

-- scope_exists --
-- Whether anything of that name ever occurred: a typo would mute nothing, and nobody would notice.
SELECT EXISTS (SELECT FROM "LogIssue" WHERE metadata ->> 'fingerprint' = %(fingerprint)s::text)
  OR EXISTS (SELECT FROM "LogCoverage" WHERE node = %(node)s::text)
  OR EXISTS (SELECT FROM "LogIssue" WHERE metadata ->> 'rule' = %(rule)s::text) AS known;

-- in_scope --
-- Open issues that a mute of this scope covers, latest first.
SELECT id, severity, title FROM "LogIssue"
WHERE status = 'open' AND (
  metadata ->> 'fingerprint' = %(fingerprint)s::text OR metadata -> 'nodes' ? %(node)s::text
  OR metadata ->> 'rule' = %(rule)s::text OR %(everything)s
)
ORDER BY "updatedAt" DESC, id;
