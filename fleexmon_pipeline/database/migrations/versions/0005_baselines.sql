-- What is usual for a node, learnt once a day from the counts of the 14 days before. A cache: it can be emptied.
-- "madeOf": a hash of what it was learnt from; one that differs is learnt anew. figures: JSON; NULL: nothing to learn from.
CREATE TABLE "NodeBaseline" (
  node     VARCHAR NOT NULL,
  day      TIMESTAMP NOT NULL,
  "madeOf" VARCHAR NOT NULL,
  figures  TEXT,
  PRIMARY KEY (node, day)
);

-- What detection saw of an hour when it last judged it, as a hash of counts and coverage. Where it changes, later hours
-- that looked back into it are judged again.
CREATE TABLE "DetectedHour" (
  hour     TIMESTAMP PRIMARY KEY,
  "madeOf" VARCHAR NOT NULL
);

-- What rules in shadow mode would have said. No issue follows from it.
CREATE TABLE "ShadowOccurrence" (
  fingerprint VARCHAR NOT NULL,
  slot        TIMESTAMP NOT NULL,
  rule        VARCHAR NOT NULL,
  severity    VARCHAR NOT NULL,
  title       VARCHAR NOT NULL,
  nodes       VARCHAR[] NOT NULL,
  affected    BIGINT NOT NULL,
  PRIMARY KEY (fingerprint, slot)
);
CREATE INDEX "ShadowOccurrence_slot" ON "ShadowOccurrence" (slot);

-- What people do not want to be told: one issue's fingerprint, or all of a node, until when, who and why. Issues are made
-- and kept all the same.
CREATE TABLE "IssueMute" (
  id          UUID PRIMARY KEY,
  fingerprint VARCHAR,
  node        VARCHAR,
  "by"        VARCHAR NOT NULL,
  why         TEXT NOT NULL,
  since       TIMESTAMP NOT NULL,
  until       TIMESTAMP,
  "endedAt"   TIMESTAMP,
  "endedBy"   VARCHAR,
  CHECK ((fingerprint IS NULL) <> (node IS NULL))
);
CREATE INDEX "IssueMute_fingerprint" ON "IssueMute" (fingerprint);

-- What people said of an issue when they resolved it, for backtests: its row may be made anew, this stays.
CREATE TABLE "IssueVerdict" (
  issue       UUID PRIMARY KEY,
  fingerprint VARCHAR,
  verdict     VARCHAR NOT NULL CHECK (verdict IN ('noise', 'real')),
  "by"        VARCHAR NOT NULL,
  why         TEXT,
  at          TIMESTAMP NOT NULL
);
