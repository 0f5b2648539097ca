-- When which version came to a node. by: who marked it; source: a person, a line of its start, or metadata that changed.
CREATE TABLE "Deployment" (
  node    VARCHAR NOT NULL,
  version VARCHAR NOT NULL,
  at      TIMESTAMP NOT NULL,
  by      VARCHAR NOT NULL,
  source  VARCHAR NOT NULL CHECK (source IN ('person', 'line', 'metadata')),
  PRIMARY KEY (node, at)
);
CREATE INDEX "Deployment_at" ON "Deployment" (at);
