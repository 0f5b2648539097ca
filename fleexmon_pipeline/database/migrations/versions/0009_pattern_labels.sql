-- What people call a pattern, and which ones they do not want to hear of. pattern: as it was when it was labelled; it may
-- have been merged since.
CREATE TABLE "PatternLabel" (
  pattern VARCHAR PRIMARY KEY,
  name    TEXT,
  ignored BOOLEAN NOT NULL DEFAULT false,
  why     TEXT,
  by      VARCHAR NOT NULL,
  at      TIMESTAMP NOT NULL
);
