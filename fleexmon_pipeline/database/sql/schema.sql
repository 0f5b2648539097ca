-- version --
SELECT version_num FROM "FleexmonVersion";

-- exists --
-- Not to_regclass(): it answers from a cache that a wait for `lock` does not refresh, and both of two starts migrate.
SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'FleexmonVersion' AND pg_table_is_visible(oid)) AS "exists";

-- lock --
-- Two processes that start at once: the second waits here, then finds the work done.
SELECT pg_advisory_xact_lock(hashtextextended('fleexmon migrate', 0));
