-- version --
SELECT version_num FROM "FleexmonVersion";

-- exists --
-- Not to_regclass(): waiting for `lock` does not refresh its cache, and two starting processes would both migrate.
SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'FleexmonVersion' AND pg_table_is_visible(oid)) AS "exists";

-- lock --
-- Of two processes that start together, the second waits here and then finds the work done.
SELECT pg_advisory_xact_lock(hashtextextended('fleexmon migrate', 0));

-- create_version --
-- As alembic created it, for releases that used alembic.
CREATE TABLE IF NOT EXISTS "FleexmonVersion" (
  version_num VARCHAR(32) NOT NULL, CONSTRAINT "FleexmonVersion_pkc" PRIMARY KEY (version_num)
);

-- set_version --
-- Leave exactly one row.
WITH previous AS (DELETE FROM "FleexmonVersion")
INSERT INTO "FleexmonVersion" (version_num) VALUES (%(version)s);
