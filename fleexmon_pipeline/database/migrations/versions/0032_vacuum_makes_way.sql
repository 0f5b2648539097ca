-- Autovacuum makes way for a change of parts. It was waited for .9 s at a time, and PostgreSQL ends it only for who waits
-- longer than deadlock_timeout, 1 s: while one worked on any part, no day was made, made compact or dropped.
--
-- What conflicts with autovacuum and with nobody who reads or writes: they go on while it is waited for. Held until the end
-- of the transaction, so that the next one does not begin in between.
CREATE FUNCTION hold_off_vacuum(name text) RETURNS void LANGUAGE plpgsql SET lock_timeout = '3s' AS $$
BEGIN
  BEGIN
    PERFORM set_config('deadlock_timeout', '100ms', true);
  EXCEPTION WHEN insufficient_privilege THEN
    NULL;  -- only a superuser may; for others it takes the server's own, 1 s
  END;
  EXECUTE format('LOCK TABLE %I IN SHARE UPDATE EXCLUSIVE MODE', name);
END $$;

-- As in 0024, after that.
CREATE OR REPLACE FUNCTION lock_lines(attempts integer) RETURNS void LANGUAGE plpgsql SET lock_timeout = '900ms' AS $$
BEGIN
  FOR attempt IN 1..attempts LOOP
    BEGIN
      PERFORM hold_off_vacuum('LogEntry');
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

-- As in 0030, after that.
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
  PERFORM hold_off_vacuum(name);  -- or writers of this day would queue behind us while we wait for it
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

-- As in 0026, after that.
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
  PERFORM hold_off_vacuum(name);  -- or writers of this day would queue behind us while we wait for it
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

-- Tables are looked for where they were made, whoever calls: replacing a function forgets that, as 0030 did.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'hold_off_vacuum(text)', 'lock_lines(integer)', 'drop_line_day(date, timestamp, integer)', 'compact_line_day(date, integer)'
  ] LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', name, current_schema());
  END LOOP;
END $$;
