-- What CI jobs found after deployments, once per workflow run. issues: those that were open for it when it was
-- recorded. resultsHash: of what the job sent, which may hold secrets and is not kept.
CREATE TABLE "DeploymentVerification" (
  run           VARCHAR PRIMARY KEY,
  node          VARCHAR,
  version       VARCHAR,
  at            TIMESTAMP NOT NULL,
  "resultsHash" VARCHAR NOT NULL,
  failures      INTEGER NOT NULL,
  issues        UUID[] NOT NULL,
  "logEntry"    UUID NOT NULL,
  "recordedAt"  TIMESTAMP NOT NULL
);
