-- version --
SELECT version_num FROM "FleexmonVersion";

-- exists --
-- Not to_regclass(): it answers from a cache that a wait for `lock` does not refresh, and then both of two starts migrate.
SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'FleexmonVersion' AND pg_table_is_visible(oid)) AS "exists";

-- lock --
-- Two processes that start at once: the second waits here, then finds the work done.
SELECT pg_advisory_xact_lock(hashtextextended('fleexmon migrate', 0));

-- create_version --
-- As alembic made it, for releases that still migrated with alembic.
CREATE TABLE IF NOT EXISTS "FleexmonVersion" (
  version_num VARCHAR(32) NOT NULL, CONSTRAINT "FleexmonVersion_pkc" PRIMARY KEY (version_num)
);

-- set_version --
-- One row, whatever was there before.
WITH previous AS (DELETE FROM "FleexmonVersion")
INSERT INTO "FleexmonVersion" (version_num) VALUES (%(version)s);
