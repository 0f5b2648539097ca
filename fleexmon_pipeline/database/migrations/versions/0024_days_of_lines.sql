-- "LogEntry" by day. Ids begin with their line's millisecond, so a range of ids is a day, and (id) stays the key of the
-- whole table: docs/decisions/0053. Taking an existing table over: database/line_days.py. Until then these functions find
-- no days, and nothing changes.
--
--   "LogEntry_20261130"   the lines of a day; of several where lines are kept for long
--   "LogEntry_past"       lines of earlier days: evidence that was kept, late lines
--   "LogEntry_future"     lines of days that are not made yet
--   "LogEntry_rest"       the table as it was before, and rows with random ids

-- The least id of a moment, in UTC.
CREATE FUNCTION line_id(moment timestamp) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT rpad(lpad(to_hex(GREATEST((extract(epoch FROM moment) * 1000)::bigint, 0)), 12, '0'), 32, '0')::uuid
$$;

-- Its inverse: the day that an id's time lies in.
CREATE FUNCTION line_day(id uuid) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (timestamp '1970-01-01' + interval '1 millisecond' * ('x0000' || left(replace(id::text, '-', ''), 12))::bit(64)::bigint)::date
$$;

-- Ids from here on are no times of lines: of random ids, 98.5 % lie above.
CREATE FUNCTION last_line_day() RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT date '2100-01-01' $$;

-- The parts with a range of ids, in order. A day has `day`; past and future have none.
CREATE FUNCTION line_parts() RETURNS TABLE (part regclass, day date, since uuid, until uuid, compact boolean)
LANGUAGE sql STABLE AS $$
  SELECT part, CASE WHEN name ~ '^LogEntry_\d{8}$' THEN to_date(right(name, 8), 'YYYYMMDD') END, bound[1]::uuid, bound[2]::uuid,
    compact
  FROM (
    SELECT c.oid::regclass AS part, c.relname::text AS name, 'fillfactor=100' = ANY (COALESCE(c.reloptions, '{}')) AS compact,
      regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$FROM \('?([^')]+)'?\) TO \('?([^')]+)'?\)$re$) AS bound
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = '"LogEntry"'::regclass AND c.relkind = 'r'
  ) AS parts
  WHERE bound IS NOT NULL
  ORDER BY 3
$$;

-- These functions run with their owner's rights: who may delete lines may let them go by days.
CREATE FUNCTION may_delete_lines() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT has_table_privilege(session_user, '"LogEntry"', 'DELETE') THEN
    RAISE insufficient_privilege USING MESSAGE = format('%s may not delete rows of "LogEntry"', session_user);
  END IF;
END $$;

-- Nobody waits behind us for long: a second, then they go first. A transaction that holds a part and waits for another
-- would be a deadlock; ours gives way before PostgreSQL looks for one.
CREATE FUNCTION lock_lines(attempts integer) RETURNS void LANGUAGE plpgsql SET lock_timeout = '900ms' AS $$
BEGIN
  FOR attempt IN 1..attempts LOOP
    BEGIN
      LOCK TABLE "LogEntry" IN ACCESS EXCLUSIVE MODE;
      RETURN;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      IF attempt < attempts THEN
        PERFORM pg_sleep(0.5 + random());
      END IF;
    END;
  END LOOP;
  RAISE lock_not_available USING MESSAGE = format('"LogEntry" was in use in each of %s attempts', attempts);
END $$;

-- A part with the table's columns, and none of its indexes yet. The CHECK spares a scan when it is attached.
CREATE FUNCTION make_line_part(name text, since uuid, until uuid, fill integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format(
    'CREATE TABLE %I (LIKE "LogEntry" INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE,
     CONSTRAINT of_its_ids CHECK (id >= %L AND id < %L)) WITH (fillfactor = %s)', name, since, until, fill);
END $$;

CREATE FUNCTION attach_line_part(name text, since uuid, until uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE "LogEntry" ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, since, until);
  EXECUTE format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS of_its_ids', name);
END $$;

-- Attaches past or future again; one without a range is not needed.
CREATE FUNCTION stretch_line_part(name text, since uuid, until uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF since < until THEN
    PERFORM attach_line_part(name, since, until);
  ELSE
    EXECUTE format('DROP TABLE %I', name);
  END IF;
END $$;

-- A part's name, by its first day.
CREATE FUNCTION line_part_name(day date) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 'LogEntry_' || to_char(day, 'YYYYMMDD') $$;

CREATE FUNCTION move_lines(old text, new text, since uuid, until uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('WITH moved AS (DELETE FROM %I WHERE id >= %L AND id < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
    old, since, until, new);
END $$;

CREATE FUNCTION make_line_day(since date, until date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  name text := line_part_name(since);
BEGIN
  PERFORM make_line_part(name, line_id(since), line_id(until), 50);
  PERFORM move_lines('LogEntry_past', name, line_id(since), line_id(until));
  PERFORM move_lines('LogEntry_future', name, line_id(since), line_id(until));
  PERFORM attach_line_part(name, line_id(since), line_id(until));
END $$;

-- Makes parts of `each` days, so that every day from `first` to `last`, and between them and the days that are there, has
-- one; how many. Lines that came before their day was made are moved into it.
CREATE FUNCTION make_line_days(first date, last date, each integer, attempts integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  low uuid; high uuid; begins date; ends date; side text; made integer := 0;
BEGIN
  PERFORM may_delete_lines();
  IF NOT pg_try_advisory_xact_lock(hashtextextended('days of lines', 0)) THEN
    RAISE lock_not_available USING MESSAGE = 'another run makes or drops days of "LogEntry"';
  END IF;
  SELECT min(since::text)::uuid, max(until::text)::uuid, min(day), max(line_day(until)) FILTER (WHERE day IS NOT NULL)
  INTO low, high, begins, ends FROM line_parts();
  first := GREATEST(first, line_day(low));
  last := LEAST(last, last_line_day() - each);
  IF low IS NULL OR (begins <= first AND ends > last) THEN
    RETURN 0;
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
    PERFORM make_line_day(GREATEST(begins - each, line_day(low)), begins);
    begins := GREATEST(begins - each, line_day(low));
    made := made + 1;
  END LOOP;
  PERFORM move_lines('LogEntry_past', 'LogEntry_future', line_id(ends), high);
  PERFORM move_lines('LogEntry_future', 'LogEntry_past', low, line_id(begins));
  PERFORM stretch_line_part('LogEntry_past', low, line_id(begins));
  PERFORM stretch_line_part('LogEntry_future', line_id(ends), high);
  RETURN made;
END $$;

-- Drops a day at once, if it is the first: its lines before `before` that are analyzed and no evidence of an unresolved
-- issue. Others are moved to the past. Returns how many went, or NULL where the day must go in batches: it is not the
-- first, or more than 50,000 lines stay.
CREATE FUNCTION drop_line_day(gone date, before timestamp, attempts integer) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
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
    LIMIT 50001 $q$, name) USING before, line_id(gone), ends;
  SELECT count(*) INTO kept FROM kept_lines;
  IF kept > 50000 THEN
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
  EXECUTE format('INSERT INTO "LogEntry_past" SELECT * FROM %I WHERE id IN (SELECT id FROM kept_lines)', name);
  PERFORM attach_line_part('LogEntry_past', low, ends);
  EXECUTE format('DROP TABLE %I', name);
  DROP TABLE kept_lines;
  RETURN lines - kept;
END $$;

-- Writes a day anew without the room that was left for updates. False, and nothing done, while lines of
-- it are not analyzed. It is read while it is written; who writes lines of this day waits.
CREATE FUNCTION compact_line_day(old date, attempts integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  name text := line_part_name(old); fresh text := name || '_compact'; ends uuid; waiting boolean; definition text;
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
  EXECUTE format('INSERT INTO %I SELECT * FROM %I', fresh, name);
  EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (id)', fresh);
  FOR definition IN SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = to_regclass(format('%I', name)) AND NOT indisprimary
  LOOP
    EXECUTE regexp_replace(definition, '^(CREATE (UNIQUE )?INDEX) .* (USING .*)$', format('\1 ON %I \3', fresh));
  END LOOP;
  -- Empty: late lines are in it until their hour is judged again. It finds at once what keeps the day from going.
  EXECUTE format('CREATE INDEX ON %I (id) WHERE analyzed IS NOT TRUE', fresh);
  EXECUTE format('ANALYZE %I', fresh);
  PERFORM lock_lines(attempts);
  EXECUTE format('ALTER TABLE "LogEntry" DETACH PARTITION %I', name);
  EXECUTE format('DROP TABLE %I', name);
  EXECUTE format('ALTER TABLE %I RENAME TO %I', fresh, name);
  PERFORM attach_line_part(name, line_id(old), ends);
  RETURN true;
END $$;

-- The first step of a takeover: rows with ids that the days will have, as other programs' random ids can be, go to a table of
-- their own from now on, and a constraint that says so is added. Validated, it spares each new day a scan of the rest.
CREATE FUNCTION move_line() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO "LogEntry_moved" VALUES (NEW.*) ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;

CREATE FUNCTION divert_lines(floor uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM lock_lines(20);
  CREATE TABLE "LogEntry_moved" (LIKE "LogEntry" INCLUDING DEFAULTS, PRIMARY KEY (id));
  EXECUTE format('CREATE TRIGGER move_line BEFORE INSERT ON "LogEntry" FOR EACH ROW WHEN (NEW.id >= %L AND NEW.id < %L)
    EXECUTE FUNCTION move_line()', floor, line_id(last_line_day()));
  WITH moved AS (
    DELETE FROM "LogEntry" WHERE id >= floor AND id < line_id(last_line_day()) RETURNING *
  )
  INSERT INTO "LogEntry_moved" SELECT * FROM moved;
  EXECUTE format('ALTER TABLE "LogEntry" ADD CONSTRAINT "LogEntry_rest_ids" CHECK (id < %L OR id >= %L) NOT VALID',
    floor, line_id(last_line_day()));
END $$;

-- Tables are looked for where they were made, whoever calls.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'line_parts()', 'may_delete_lines()', 'lock_lines(integer)', 'make_line_part(text, uuid, uuid, integer)',
    'attach_line_part(text, uuid, uuid)', 'stretch_line_part(text, uuid, uuid)', 'move_lines(text, text, uuid, uuid)',
    'make_line_day(date, date)', 'make_line_days(date, date, integer, integer)',
    'drop_line_day(date, timestamp, integer)', 'compact_line_day(date, integer)', 'move_line()', 'divert_lines(uuid)'
  ] LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', name, current_schema());
  END LOOP;
END $$;
