-- Issues that share a cause, told as one. A function of "LogIssue", "IssueOccurrence", "LogPatternCount" and "Deployment".
-- id: of the issue that came first. issues: ids, first to last. figures: lines and errors of its nodes from start to end, and
-- the errors that the day before lets expect. changes: deployments, restarts, configuration, just before.
CREATE TABLE "Incident" (
  id             UUID PRIMARY KEY,
  title          VARCHAR NOT NULL,
  severity       VARCHAR NOT NULL,
  status         VARCHAR NOT NULL CHECK (status IN ('open', 'resolved')),
  nodes          VARCHAR[] NOT NULL,
  "startedAt"    TIMESTAMP NOT NULL,
  "lastSeenAt"   TIMESTAMP NOT NULL,
  "endedAt"      TIMESTAMP,
  issues         UUID[] NOT NULL,
  headline       UUID NOT NULL,
  "firstPattern" VARCHAR,
  figures        JSONB NOT NULL,
  changes        JSONB NOT NULL
);
CREATE INDEX "Incident_issues" ON "Incident" USING gin (issues);
CREATE INDEX "Incident_startedAt" ON "Incident" ("startedAt");
CREATE INDEX "Incident_lastSeenAt" ON "Incident" ("lastSeenAt");
CREATE INDEX "Incident_open" ON "Incident" ("lastSeenAt") WHERE status = 'open';

-- Issues that changed since incidents were last derived from them, whoever wrote them: us, a person, another program. Marked in
-- the transaction of the change, so a run that dies leaves the mark to the next. Only inserted and deleted, never updated: a
-- writer of issues never waits for the one that derives incidents.
CREATE TABLE "IncidentMark" (
  id    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  issue UUID NOT NULL
);

CREATE FUNCTION mark_incident_of_issue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "IncidentMark" (issue) VALUES (COALESCE(NEW.id, OLD.id));
  RETURN NULL;
END
$$;
CREATE TRIGGER "LogIssue_marks_incident" AFTER INSERT OR UPDATE OR DELETE ON "LogIssue"
FOR EACH ROW EXECUTE FUNCTION mark_incident_of_issue();
INSERT INTO "IncidentMark" (issue) SELECT id FROM "LogIssue" ORDER BY "detectedAt", id;

-- What people did about an issue besides resolving and muting it. The latest row of an issue and action holds; an incident has
-- what its issues have.
CREATE TABLE "IssueHandling" (
  id       UUID PRIMARY KEY,
  issue    UUID NOT NULL,
  action   VARCHAR NOT NULL CHECK (action IN ('ack', 'unack', 'assign')),
  assignee VARCHAR CHECK (assignee IS NULL OR action = 'assign'),
  "by"     VARCHAR NOT NULL,
  why      TEXT NOT NULL,
  at       TIMESTAMP NOT NULL
);
CREATE INDEX "IssueHandling_issue" ON "IssueHandling" (issue);

-- A mute of everything, for maintenance, besides one of a fingerprint, a node or a rule.
ALTER TABLE "IssueMute" ADD COLUMN everything BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "IssueMute" DROP CONSTRAINT "IssueMute_one_scope";
ALTER TABLE "IssueMute" ADD CONSTRAINT "IssueMute_one_scope"
CHECK (num_nonnulls(fingerprint, node, rule) + everything::integer = 1);

-- Whether a mute covers an issue with this metadata.
CREATE FUNCTION mute_covers(mute "IssueMute", metadata jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT COALESCE(
    mute.everything OR mute.fingerprint = metadata ->> 'fingerprint' OR metadata -> 'nodes' ? mute.node
    OR mute.rule = metadata ->> 'rule', false
  )
$$;

-- Whether it is muted and nobody has ended that; `now` only decides which mutes have run out.
CREATE FUNCTION is_muted(metadata jsonb, now timestamp) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT EXISTS (
    SELECT FROM "IssueMute" AS m
    WHERE m."endedAt" IS NULL AND (m.until IS NULL OR m.until > now) AND mute_covers(m, metadata)
  )
$$;

-- Whether it was muted at a moment of the past.
CREATE FUNCTION was_muted(metadata jsonb, moment timestamp) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT EXISTS (
    SELECT FROM "IssueMute" AS m
    WHERE m.since <= moment AND LEAST(m."endedAt", m.until, 'infinity') > moment AND mute_covers(m, metadata)
  )
$$;
