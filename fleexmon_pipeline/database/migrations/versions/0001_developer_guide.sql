-- The two tables of the developer guide. Other programs read and write them: nothing here may be renamed.
-- IF NOT EXISTS and ADD COLUMN: a database of the original is brought up to date with its rows kept; its setup script
-- made "LogEntry" without hostname and "LogIssue" without updatedAt and affectedLogs.

CREATE TABLE IF NOT EXISTS "LogEntry" (
  id          UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  timestamp   TIMESTAMP NOT NULL,
  level       VARCHAR NOT NULL,
  message     TEXT NOT NULL,
  source      VARCHAR NOT NULL,
  hostname    VARCHAR NOT NULL,
  metadata    JSONB,
  analyzed    BOOLEAN DEFAULT false,
  "createdAt" TIMESTAMP DEFAULT NOW()
);

ALTER TABLE "LogEntry" ADD COLUMN IF NOT EXISTS hostname VARCHAR;
UPDATE "LogEntry" SET hostname = source WHERE hostname IS NULL;
ALTER TABLE "LogEntry" ALTER COLUMN hostname SET NOT NULL;

CREATE TABLE IF NOT EXISTS "LogIssue" (
  id             UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  type           VARCHAR NOT NULL,
  severity       VARCHAR NOT NULL,
  title          VARCHAR NOT NULL,
  description    TEXT NOT NULL,
  "rootCause"    TEXT,
  recommendation TEXT,
  source         VARCHAR NOT NULL,
  status         VARCHAR DEFAULT 'open',
  "detectedAt"   TIMESTAMP NOT NULL,
  "updatedAt"    TIMESTAMP NOT NULL,
  "resolvedAt"   TIMESTAMP,
  metadata       JSONB,
  "affectedLogs" UUID[]
);

ALTER TABLE "LogIssue" ADD COLUMN IF NOT EXISTS "updatedAt" TIMESTAMP;
UPDATE "LogIssue" SET "updatedAt" = COALESCE("resolvedAt", "detectedAt") WHERE "updatedAt" IS NULL;
ALTER TABLE "LogIssue" ALTER COLUMN "updatedAt" SET NOT NULL;
ALTER TABLE "LogIssue" ADD COLUMN IF NOT EXISTS "affectedLogs" UUID[];
