-- A day of many lines is dropped without counting them: for 10 million that took most of a minute, while writers of the day
-- waited. What is told of it is PostgreSQL's own estimate, from when the day was written compact.
CREATE FUNCTION max_counted_lines() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 500000 $$;

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
  -- Writers of this day wait from here on, so that what is looked at is what goes.
  PERFORM set_config('lock_timeout', '5s', true);
  EXECUTE format('LOCK TABLE %I IN SHARE MODE', name);
  SELECT reltuples INTO lines FROM pg_class WHERE oid = format('%I', name)::regclass;
  IF lines < max_counted_lines() THEN  -- few, or never analyzed: -1
    EXECUTE format('SELECT count(*) FROM %I', name) INTO lines;
  END IF;
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
