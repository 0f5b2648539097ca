-- version --
SELECT version_num FROM "FleexmonVersion";

-- exists --
SELECT to_regclass('"FleexmonVersion"') IS NOT NULL AS "exists";

-- lock --
-- Two processes that start at once: the second waits here, then finds the work done.
SELECT pg_advisory_xact_lock(hashtextextended('fleexmon migrate', 0));
