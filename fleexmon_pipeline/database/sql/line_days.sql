-- is_by_day --
SELECT relkind = 'p' AS by_day, pg_has_role(relowner, 'USAGE') AS owned, pg_get_userbyid(relowner) AS owner
FROM pg_class WHERE oid = '"LogEntry"'::regclass;

-- lock --
-- Of two processes that start together, the second waits here and then finds the work done.
SELECT pg_advisory_xact_lock(hashtextextended('fleexmon migrate', 0));

-- obstacles --
-- Objects that would stay with the old table under its new name, or break. Views are recreated.
WITH old AS (SELECT '"LogEntry"'::regclass AS oid)
SELECT format('foreign key %I of %s', conname, conrelid::regclass) AS what
FROM pg_constraint, old WHERE contype = 'f' AND (confrelid = old.oid OR conrelid = old.oid)
UNION ALL
SELECT format('trigger %I', tgname) FROM pg_trigger, old WHERE tgrelid = old.oid AND NOT tgisinternal AND tgname <> 'move_line'
UNION ALL
SELECT format('rule %I', rulename) FROM pg_rewrite, old WHERE ev_class = old.oid
UNION ALL
SELECT format('policy %I', polname) FROM pg_policy, old WHERE polrelid = old.oid
UNION ALL
SELECT format('publication %I', pubname) FROM pg_publication_rel JOIN pg_publication AS p ON p.oid = prpubid, old WHERE prrelid = old.oid
UNION ALL
SELECT format('table %s, which inherits', inhrelid::regclass) FROM pg_inherits, old WHERE inhparent = old.oid OR inhrelid = old.oid
UNION ALL
SELECT DISTINCT format('materialized view %s', c.oid::regclass)
FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid JOIN pg_class AS c ON c.oid = r.ev_class, old
WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = old.oid AND c.relkind = 'm'
UNION ALL
SELECT DISTINCT format('view %s, which belongs to %I', c.oid::regclass, pg_get_userbyid(c.relowner))
FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid JOIN pg_class AS c ON c.oid = r.ev_class, old
WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = old.oid AND c.relkind = 'v'
  AND NOT pg_has_role(c.relowner, 'USAGE')
UNION ALL
-- SQL functions that name the table, and objects of its row type: they would continue to use the old table.
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend AS d, old JOIN pg_class AS c ON c.oid = old.oid LEFT JOIN pg_type AS t ON t.oid = c.reltype
WHERE (
    d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = old.oid
    OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray)
  ) AND (d.classid, d.objid) NOT IN (('pg_type'::regclass, t.typarray), ('pg_class'::regclass, old.oid))
UNION ALL
SELECT 'row level security' FROM pg_class JOIN old USING (oid) WHERE relrowsecurity
UNION ALL
SELECT format('unique index %s', indexrelid::regclass) FROM pg_index, old
WHERE indrelid = old.oid AND (indisunique OR indisexclusion)
  AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = old.oid AND a.attname = 'id' AND a.attnum = ANY (indkey))
UNION ALL
SELECT format('column %I', attname) FROM pg_attribute, old
WHERE attrelid = old.oid AND attnum > 0 AND NOT attisdropped
  AND (attgenerated <> '' OR attidentity <> '' OR attacl IS NOT NULL OR (attname = 'id' AND atttypid <> 'uuid'::regtype))
UNION ALL
SELECT 'no primary key (id)' FROM old WHERE NOT EXISTS (
  SELECT FROM pg_index JOIN pg_attribute AS a ON a.attrelid = indrelid AND a.attname = 'id'
  WHERE indrelid = old.oid AND indisprimary AND indkey::text = a.attnum::text
);

-- floor --
-- The first day: that of the first id if the table is empty, else the day after tomorrow. Until then lines are written to the
-- same table as before, however long partitioning takes.
SELECT CASE
  WHEN EXISTS (SELECT FROM "LogEntry") THEN line_id(date_trunc('day', %(now)s::timestamp) + interval '2 days')
  ELSE line_id(timestamp '1970-01-01')
END AS floor;

-- begun --
SELECT convalidated AS validated FROM pg_constraint
WHERE conrelid = '"LogEntry"'::regclass AND conname = 'LogEntry_rest_ids';

-- divert --
SELECT divert_lines(%(floor)s::uuid);

-- undivert --
SELECT undivert_lines();

-- lock_table --
-- From here on nobody can attach an object to it.
SELECT lock_lines(20);

-- may_create --
SELECT has_schema_privilege(relnamespace, 'CREATE') AS may, relnamespace::regnamespace::text AS schema, current_user AS role
FROM pg_class WHERE oid = '"LogEntry"'::regclass;

-- validate --
-- Reads the table once, without blocking others.
ALTER TABLE "LogEntry" VALIDATE CONSTRAINT "LogEntry_rest_ids";

-- swap --
-- With the table locked. The old table becomes the partition for lines without a day. Rights, indexes and views are kept.
DO $$
DECLARE
  floor uuid; owner name; definition text; name text; view record; entry record;
  views text[] := '{}'; view_names text[] := '{}'; indexes text[] := '{}';
BEGIN
  SELECT (regexp_match(pg_get_constraintdef(oid), $re$id < '([^']+)'$re$))[1]::uuid INTO floor
  FROM pg_constraint WHERE conrelid = '"LogEntry"'::regclass AND conname = 'LogEntry_rest_ids';
  SELECT pg_get_userbyid(relowner) INTO owner FROM pg_class WHERE oid = '"LogEntry"'::regclass;
  FOR view IN
    SELECT DISTINCT c.oid, c.oid::regclass::text AS name FROM pg_depend AS d
    JOIN pg_rewrite AS r ON r.oid = d.objid JOIN pg_class AS c ON c.oid = r.ev_class
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = '"LogEntry"'::regclass AND c.relkind = 'v'
  LOOP
    view_names := view_names || view.name;
    views := views || format('%s AS %s', (
      SELECT CASE WHEN reloptions <> '{}' THEN format('WITH (%s)', array_to_string(reloptions, ', ')) END
      FROM pg_class WHERE oid = view.oid
    ), pg_get_viewdef(view.oid));
  END LOOP;
  DROP TRIGGER move_line ON "LogEntry";
  FOR entry IN
    SELECT c.relname, pg_get_indexdef(c.oid) AS definition, i.indisprimary FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid = '"LogEntry"'::regclass
  LOOP
    IF NOT entry.indisprimary THEN
      indexes := indexes || entry.definition;
    END IF;
    EXECUTE format('ALTER INDEX %I RENAME TO %I', entry.relname, left(entry.relname, 58) || '_rest');
  END LOOP;
  ALTER TABLE "LogEntry" RENAME TO "LogEntry_rest";
  CREATE TABLE "LogEntry" (
    LIKE "LogEntry_rest" INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS,
    CONSTRAINT "LogEntry_pkey" PRIMARY KEY (id)
  ) PARTITION BY RANGE (id);
  EXECUTE format('ALTER TABLE "LogEntry" OWNER TO %I', owner);
  ALTER TABLE "LogEntry" DROP CONSTRAINT "LogEntry_rest_ids";
  FOREACH definition IN ARRAY indexes LOOP
    EXECUTE definition;
  END LOOP;
  ALTER TABLE "LogEntry" ATTACH PARTITION "LogEntry_rest" DEFAULT;
  PERFORM make_line_part('LogEntry_future', floor, line_id(last_line_day()), 50);
  PERFORM attach_line_part('LogEntry_future', floor, line_id(last_line_day()));
  PERFORM return_moved_lines();
  FOR entry IN
    SELECT grantee, privilege_type, is_grantable FROM pg_class, aclexplode(relacl)
    WHERE oid = '"LogEntry_rest"'::regclass AND grantee <> relowner
  LOOP
    EXECUTE format('GRANT %s ON "LogEntry" TO %s%s', entry.privilege_type,
      CASE entry.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(entry.grantee)) END,
      CASE WHEN entry.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
  END LOOP;
  FOR i IN 1..cardinality(views) LOOP
    EXECUTE format('CREATE OR REPLACE VIEW %s %s', view_names[i], views[i]);
  END LOOP;
END $$;

-- missing_days --
-- Whether one of these days has no partition yet, or the partition for the future is half converted. False if the table is
-- not partitioned.
SELECT low IS NOT NULL AND (ends IS NULL OR ends <= %(last)s::date OR begins > GREATEST(%(first)s::date, line_day(low)))
  AS missing, EXISTS (
    SELECT FROM pg_constraint WHERE conrelid = to_regclass('"LogEntry_future"') AND conname = 'of_these_days'
  ) AS fenced
FROM (
  SELECT min(day) AS begins, max(line_day(until)) FILTER (WHERE day IS NOT NULL) AS ends, min(since::text)::uuid AS low
  FROM line_parts()
) AS made;

-- make_days --
SELECT make_line_days(%(first)s::date, %(last)s::date, %(each)s, %(attempts)s) AS made;

-- fence_future --
SELECT fence_future(%(last)s::date, %(attempts)s);

-- check_fence --
SELECT check_fence();

-- close_future --
SELECT close_future(%(attempts)s) AS made;

-- unfence_future --
SELECT unfence_future(%(attempts)s);

-- note_problem --
INSERT INTO "LineDayProblem" (step, reason) VALUES (%(step)s, %(reason)s)
ON CONFLICT (step) DO UPDATE SET reason = excluded.reason, "lastAt" = excluded."lastAt";

-- forget_problem --
DELETE FROM "LineDayProblem" WHERE step = %(step)s;

-- problems --
-- `waits`: an expensive attempt is not worthwhile, since the obstacle existed less than an hour ago.
SELECT step, reason, "firstAt" AS first_at, "lastAt" AS last_at,
  "lastAt" > (now() AT TIME ZONE 'UTC') - interval '1 hour' AS waits
FROM "LineDayProblem" ORDER BY step;

-- days --
SELECT day, line_day(until) AS until, compact FROM line_parts() WHERE day IS NOT NULL ORDER BY day;

-- drop_day --
SELECT drop_line_day(%(day)s::date, %(before)s, %(attempts)s) AS lines;

-- compact_day --
SELECT compact_line_day(%(day)s::date, %(attempts)s) AS compacted;

-- analyze --
-- Autovacuum does not analyze partitioned tables, and plans of joins need it.
ANALYZE "LogEntry";
