-- Days of lines where something is in the way: what, for `doctor`; no step that moves millions of lines while everybody
-- waits; days that grew again are written anew; columns that the server computes are left to it.

CREATE TABLE "LineDayProblem" (
  step      VARCHAR PRIMARY KEY,  -- take over, make, compact, drop
  reason    VARCHAR NOT NULL,     -- the database's own words
  "firstAt" TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
  "lastAt"  TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);

-- The columns that a copy of a line has to name: those that PostgreSQL computes cannot be written.
CREATE FUNCTION line_columns() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
  WHERE attrelid = '"LogEntry"'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
$$;

-- A day that is compact says how large it was then. One that has grown by a fifth, as by a backfill, whose lines are each
-- written twice, is not compact any more.
CREATE FUNCTION mark_compact(part regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('COMMENT ON TABLE %s IS %L', part, 'compact: ' || pg_relation_size(part) || ' bytes');
END $$;

CREATE OR REPLACE FUNCTION line_parts() RETURNS TABLE (part regclass, day date, since uuid, until uuid, compact boolean)
LANGUAGE sql STABLE AS $$
  SELECT part, CASE WHEN name ~ '^LogEntry_\d{8}$' THEN to_date(right(name, 8), 'YYYYMMDD') END, bound[1]::uuid, bound[2]::uuid,
    written AND COALESCE(pg_relation_size(part), 0) <= COALESCE(GREATEST(size[1]::bigint * 1.2, size[1]::bigint + 1000000), 'infinity')
  FROM (
    SELECT c.oid::regclass AS part, c.relname::text AS name, 'fillfactor=100' = ANY (COALESCE(c.reloptions, '{}')) AS written,
      regexp_match(obj_description(c.oid, 'pg_class'), '^compact: (\d+) bytes$') AS size,
      regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$FROM \('?([^')]+)'?\) TO \('?([^')]+)'?\)$re$) AS bound
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = '"LogEntry"'::regclass AND c.relkind = 'r'
  ) AS parts
  WHERE bound IS NOT NULL
  ORDER BY 3
$$;

SELECT mark_compact(part) FROM line_parts() WHERE compact;

CREATE OR REPLACE FUNCTION move_lines(old text, new text, since uuid, until uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('WITH moved AS (DELETE FROM %1$I WHERE id >= %3$L AND id < %4$L RETURNING %5$s)
    INSERT INTO %2$I (%5$s) SELECT %5$s FROM moved', old, new, since, until, line_columns());
END $$;

-- As many lines as are moved while others wait: a second or two.
CREATE FUNCTION max_moved_lines() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 50000 $$;

-- The id up to which a part's lines can be moved at once, counted from its first or its last; NULL if all can.
CREATE FUNCTION line_at_limit(part text, since uuid, until uuid, backwards boolean) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
DECLARE
  found uuid;
BEGIN
  IF to_regclass(format('%I', part)) IS NOT NULL THEN
    EXECUTE format('SELECT id FROM %I WHERE id >= %L AND id < %L ORDER BY id %s OFFSET %s LIMIT 1', part, since, until,
      CASE WHEN backwards THEN 'DESC' END, max_moved_lines()) INTO found;
  END IF;
  RETURN found;
END $$;

-- As in 0024, with two bounds. Days before the first are made as far as few lines of the past are theirs; more stay in the
-- past. NULL, and nothing is done, where many lines of the days to be made wait in the future: it becomes their part.
CREATE OR REPLACE FUNCTION make_line_days(first date, last date, each integer, attempts integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  low uuid; high uuid; begins date; ends date; side text; made integer := 0; full_at uuid; floor date;
BEGIN
  PERFORM may_delete_lines();
  IF NOT pg_try_advisory_xact_lock(hashtextextended('days of lines', 0)) THEN
    RAISE lock_not_available USING MESSAGE = 'another run makes or drops days of "LogEntry"';
  END IF;
  SELECT min(since::text)::uuid, max(until::text)::uuid, min(day), max(line_day(until)) FILTER (WHERE day IS NOT NULL)
  INTO low, high, begins, ends FROM line_parts();
  floor := line_day(low);
  IF begins IS NOT NULL THEN
    full_at := line_at_limit('LogEntry_past', low, line_id(begins), true);
    floor := GREATEST(floor, line_day(full_at) + 1);
  END IF;
  first := GREATEST(first, floor);
  last := LEAST(last, last_line_day() - each);
  IF low IS NULL OR (begins <= first AND ends > last) THEN
    RETURN 0;
  END IF;
  IF line_at_limit('LogEntry_future', CASE WHEN begins IS NULL THEN low ELSE line_id(ends) END, line_id(last + each), false)
    IS NOT NULL
  THEN
    RETURN NULL;
  END IF;
  PERFORM lock_lines(attempts);
  FOREACH side IN ARRAY ARRAY['LogEntry_past', 'LogEntry_future'] LOOP
    IF to_regclass(format('%I', side)) IS NULL THEN
      PERFORM make_line_part(side, low, high, 50);
    ELSE
      EXECUTE format('ALTER TABLE "LogEntry" DETACH PARTITION %I', side);
    END IF;
  END LOOP;
  begins := COALESCE(begins, first);
  ends := COALESCE(ends, first);
  WHILE ends <= last LOOP
    PERFORM make_line_day(ends, ends + each);
    ends := ends + each;
    made := made + 1;
  END LOOP;
  WHILE begins > first LOOP
    PERFORM make_line_day(GREATEST(begins - each, floor), begins);
    begins := GREATEST(begins - each, floor);
    made := made + 1;
  END LOOP;
  PERFORM move_lines('LogEntry_past', 'LogEntry_future', line_id(ends), high);
  PERFORM move_lines('LogEntry_future', 'LogEntry_past', low, line_id(begins));
  PERFORM stretch_line_part('LogEntry_past', low, line_id(begins));
  PERFORM stretch_line_part('LogEntry_future', line_id(ends), high);
  RETURN made;
END $$;

-- The future with many lines becomes one part, of all days up to `last`, in three steps, as a table is taken over:
-- fence_future: lines of no day of these, which are few, go to a table beside it from now on, and a CHECK says so;
-- check_fence: nobody waits; close_future: names are changed, and no line is moved but those few.
CREATE FUNCTION fence_future(last date, attempts integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  low uuid; high uuid; begins date; least_id uuid; full_at uuid; since uuid; until uuid;
BEGIN
  PERFORM may_delete_lines();
  PERFORM pg_advisory_xact_lock(hashtextextended('days of lines', 0));
  PERFORM lock_lines(attempts);
  SELECT p.since, p.until INTO low, high FROM line_parts() AS p WHERE part = '"LogEntry_future"'::regclass;
  SELECT min(day) INTO begins FROM line_parts();
  SELECT id INTO least_id FROM "LogEntry_future" ORDER BY id LIMIT 1;
  since := CASE WHEN begins IS NULL THEN line_id(line_day(least_id)) ELSE low END;
  -- Programs whose clocks are ahead: the part ends later if there are many of them.
  full_at := line_at_limit('LogEntry_future', line_id(last + 1), high, true);
  until := line_id(LEAST(GREATEST(last, line_day(full_at)) + 1, line_day(high) - 1));
  CREATE TABLE "LogEntry_moved" (LIKE "LogEntry" INCLUDING DEFAULTS, PRIMARY KEY (id));
  EXECUTE format('CREATE TRIGGER move_line BEFORE INSERT ON "LogEntry_future" FOR EACH ROW WHEN (NEW.id < %L OR NEW.id >= %L)
    EXECUTE FUNCTION move_line()', since, until);
  PERFORM move_lines('LogEntry_future', 'LogEntry_moved', until, high);
  EXECUTE format('ALTER TABLE "LogEntry_future" ADD CONSTRAINT of_these_days CHECK (id >= %L AND id < %L) NOT VALID', since, until);
END $$;

CREATE FUNCTION check_fence() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  PERFORM may_delete_lines();
  ALTER TABLE "LogEntry_future" VALIDATE CONSTRAINT of_these_days;
END $$;

-- Lines that were put aside are lines of the table again.
CREATE FUNCTION return_moved_lines() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('INSERT INTO "LogEntry" (%1$s) SELECT %1$s FROM "LogEntry_moved" ON CONFLICT (id) DO NOTHING', line_columns());
  DROP TABLE "LogEntry_moved";
END $$;

CREATE FUNCTION close_future(attempts integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  low uuid; high uuid; bound text[]; name text;
BEGIN
  PERFORM may_delete_lines();
  PERFORM pg_advisory_xact_lock(hashtextextended('days of lines', 0));
  SELECT regexp_match(pg_get_constraintdef(oid), $re$id >= '([^']+)'.*id < '([^']+)'$re$) INTO bound
  FROM pg_constraint WHERE conrelid = to_regclass('"LogEntry_future"') AND conname = 'of_these_days';
  IF bound IS NULL THEN
    RETURN 0;  -- another run was first
  END IF;
  name := line_part_name(line_day(bound[1]::uuid));
  PERFORM lock_lines(attempts);
  SELECT since, until INTO low, high FROM line_parts() WHERE part = '"LogEntry_future"'::regclass;
  ALTER TABLE "LogEntry" DETACH PARTITION "LogEntry_future";
  DROP TRIGGER move_line ON "LogEntry_future";
  EXECUTE format('ALTER TABLE "LogEntry_future" RENAME TO %I', name);
  PERFORM attach_line_part(name, bound[1]::uuid, bound[2]::uuid);
  EXECUTE format('ALTER TABLE %I DROP CONSTRAINT of_these_days', name);
  PERFORM make_line_part('LogEntry_future', bound[2]::uuid, high, 50);
  PERFORM attach_line_part('LogEntry_future', bound[2]::uuid, high);
  IF low < bound[1]::uuid THEN
    PERFORM make_line_part('LogEntry_past', low, bound[1]::uuid, 50);
    PERFORM attach_line_part('LogEntry_past', low, bound[1]::uuid);
  END IF;
  PERFORM return_moved_lines();
  RETURN 1;
END $$;

-- What was fenced and cannot be closed is as it was.
CREATE FUNCTION unfence_future(attempts integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  PERFORM may_delete_lines();
  PERFORM pg_advisory_xact_lock(hashtextextended('days of lines', 0));
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass('"LogEntry_future"') AND conname = 'of_these_days') THEN
    RETURN;
  END IF;
  PERFORM lock_lines(attempts);
  DROP TRIGGER move_line ON "LogEntry_future";
  ALTER TABLE "LogEntry_future" DROP CONSTRAINT of_these_days;
  PERFORM return_moved_lines();
END $$;

CREATE OR REPLACE FUNCTION drop_line_day(gone date, before timestamp, attempts integer) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  name text := line_part_name(gone); low uuid; ends uuid; lines bigint; kept bigint;
BEGIN
  PERFORM may_delete_lines();
  PERFORM pg_advisory_xact_lock(hashtextextended('days of lines', 0));
  IF gone IS DISTINCT FROM (SELECT min(day) FROM line_parts()) THEN
    RETURN NULL;
  END IF;
  SELECT min(since::text)::uuid, (max(until::text) FILTER (WHERE day = gone))::uuid INTO low, ends FROM line_parts();
  -- Writers of this day wait from here on, so that what is counted is what goes.
  PERFORM set_config('lock_timeout', '5s', true);
  EXECUTE format('LOCK TABLE %I IN SHARE MODE', name);
  EXECUTE format('SELECT count(*) FROM %I', name) INTO lines;
  -- Three ways to stay, each by an index of a day that was made compact.
  EXECUTE format($q$
    CREATE TEMPORARY TABLE kept_lines ON COMMIT DROP AS
    SELECT id FROM %1$I WHERE analyzed IS NOT TRUE
    UNION SELECT id FROM %1$I WHERE timestamp >= $1
    UNION SELECT id FROM %1$I WHERE id = ANY (ARRAY (
      SELECT held FROM "LogIssue", unnest("affectedLogs") AS held
      WHERE status IS DISTINCT FROM 'resolved' AND held >= $2 AND held < $3
    ))
    LIMIT %2$s $q$, name, max_moved_lines() + 1) USING before, line_id(gone), ends;
  SELECT count(*) INTO kept FROM kept_lines;
  IF kept > max_moved_lines() THEN
    DROP TABLE kept_lines;
    RETURN NULL;
  END IF;
  PERFORM lock_lines(attempts);
  EXECUTE format('ALTER TABLE "LogEntry" DETACH PARTITION %I', name);
  IF to_regclass('"LogEntry_past"') IS NOT NULL THEN
    ALTER TABLE "LogEntry" DETACH PARTITION "LogEntry_past";
  ELSE
    PERFORM make_line_part('LogEntry_past', low, ends, 50);
  END IF;
  EXECUTE format('INSERT INTO "LogEntry_past" (%2$s) SELECT %2$s FROM %1$I WHERE id IN (SELECT id FROM kept_lines)', name,
    line_columns());
  PERFORM attach_line_part('LogEntry_past', low, ends);
  EXECUTE format('DROP TABLE %I', name);
  DROP TABLE kept_lines;
  RETURN lines - kept;
END $$;

CREATE OR REPLACE FUNCTION compact_line_day(old date, attempts integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  name text := line_part_name(old); fresh text := name || '_compact'; ends uuid; waiting boolean; entry record;
BEGIN
  PERFORM may_delete_lines();
  PERFORM pg_advisory_xact_lock(hashtextextended('days of lines', 0));
  SELECT until INTO ends FROM line_parts() WHERE day = old AND NOT compact;
  IF ends IS NULL THEN
    RETURN false;
  END IF;
  PERFORM set_config('lock_timeout', '5s', true);
  EXECUTE format('LOCK TABLE %I IN SHARE MODE', name);
  EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE analyzed IS NOT TRUE)', name) INTO waiting;
  IF waiting THEN
    RETURN false;
  END IF;
  PERFORM make_line_part(fresh, line_id(old), ends, 100);
  EXECUTE format('INSERT INTO %1$I (%3$s) SELECT %3$s FROM %2$I', fresh, name, line_columns());
  EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (id)', fresh);
  -- What follows the table's name in the index's own definition, whatever texts that has. The last index is made below.
  FOR entry IN
    SELECT i.indisunique, substr(pg_get_indexdef(i.indexrelid), length(format('CREATE %sINDEX %I ON %I.%I',
      CASE WHEN i.indisunique THEN 'UNIQUE ' END, c.relname, n.nspname, name)) + 1) AS body
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE i.indrelid = to_regclass(format('%I', name)) AND NOT i.indisprimary
  LOOP
    IF entry.body <> ' USING btree (id) WHERE (analyzed IS NOT TRUE)' THEN
      EXECUTE format('CREATE %sINDEX ON %I', CASE WHEN entry.indisunique THEN 'UNIQUE ' END, fresh) || entry.body;
    END IF;
  END LOOP;
  -- Empty: late lines are in it until their hour is judged again. It finds at once what keeps the day from going.
  EXECUTE format('CREATE INDEX ON %I (id) WHERE analyzed IS NOT TRUE', fresh);
  EXECUTE format('ANALYZE %I', fresh);
  PERFORM mark_compact(format('%I', fresh)::regclass);
  PERFORM lock_lines(attempts);
  EXECUTE format('ALTER TABLE "LogEntry" DETACH PARTITION %I', name);
  EXECUTE format('DROP TABLE %I', name);
  EXECUTE format('ALTER TABLE %I RENAME TO %I', fresh, name);
  PERFORM attach_line_part(name, line_id(old), ends);
  RETURN true;
END $$;

CREATE OR REPLACE FUNCTION divert_lines(floor uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM lock_lines(20);
  CREATE TABLE "LogEntry_moved" (LIKE "LogEntry" INCLUDING DEFAULTS, PRIMARY KEY (id));
  EXECUTE format('CREATE TRIGGER move_line BEFORE INSERT ON "LogEntry" FOR EACH ROW WHEN (NEW.id >= %L AND NEW.id < %L)
    EXECUTE FUNCTION move_line()', floor, line_id(last_line_day()));
  PERFORM move_lines('LogEntry', 'LogEntry_moved', floor, line_id(last_line_day()));
  EXECUTE format('ALTER TABLE "LogEntry" ADD CONSTRAINT "LogEntry_rest_ids" CHECK (id < %L OR id >= %L) NOT VALID',
    floor, line_id(last_line_day()));
END $$;

-- A takeover that cannot be finished is undone: lines that were put aside are lines of the table again.
CREATE FUNCTION undivert_lines() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF to_regclass('"LogEntry_moved"') IS NULL
    OR NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = '"LogEntry"'::regclass AND conname = 'LogEntry_rest_ids')
  THEN
    RETURN;
  END IF;
  PERFORM lock_lines(20);
  DROP TRIGGER move_line ON "LogEntry";
  ALTER TABLE "LogEntry" DROP CONSTRAINT "LogEntry_rest_ids";
  PERFORM return_moved_lines();
END $$;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'line_columns()', 'mark_compact(regclass)', 'line_parts()', 'move_lines(text, text, uuid, uuid)',
    'line_at_limit(text, uuid, uuid, boolean)', 'make_line_days(date, date, integer, integer)',
    'fence_future(date, integer)', 'check_fence()', 'return_moved_lines()', 'close_future(integer)', 'unfence_future(integer)',
    'drop_line_day(date, timestamp, integer)', 'compact_line_day(date, integer)', 'divert_lines(uuid)', 'undivert_lines()'
  ] LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', name, current_schema());
  END LOOP;
END $$;
