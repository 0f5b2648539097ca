-- Lines by half hour, node and level, whatever their patterns: a digest and charts add up a few rows instead of all counts.
-- A function of "LogPatternCount", kept by triggers in the same transaction, whoever writes or deletes counts.
CREATE TABLE "LogLevelCount" (
  half  TIMESTAMP NOT NULL,  -- start of half an hour
  node  VARCHAR NOT NULL,
  level VARCHAR NOT NULL,
  count BIGINT NOT NULL,     -- no CHECK: what is subtracted is inserted first, as a negative number
  PRIMARY KEY (half, node, level)
) WITH (fillfactor = 70);    -- each row is updated six times, slot by slot

-- One statement takes the rows of all keys in order, so that two of them never wait for each other.
CREATE FUNCTION keep_level_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    DELETE FROM "LogLevelCount";  -- not TRUNCATE: the statement may truncate it as well
  ELSIF TG_OP = 'INSERT' THEN
    INSERT INTO "LogLevelCount" AS kept (half, node, level, count)
    SELECT date_bin('30 minutes', slot, TIMESTAMP '1970-01-01') AS half, node, level, sum(count)
    FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (half, node, level) DO UPDATE SET count = kept.count + excluded.count;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO "LogLevelCount" AS kept (half, node, level, count)
    SELECT date_bin('30 minutes', slot, TIMESTAMP '1970-01-01') AS half, node, level, -sum(count)
    FROM removed GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (half, node, level) DO UPDATE SET count = kept.count + excluded.count;
    DELETE FROM "LogLevelCount" AS l USING (
      SELECT DISTINCT date_bin('30 minutes', slot, TIMESTAMP '1970-01-01') AS half, node, level FROM removed
    ) AS key
    WHERE (l.half, l.node, l.level) = (key.half, key.node, key.level) AND l.count = 0;
  ELSE
    INSERT INTO "LogLevelCount" AS kept (half, node, level, count)
    SELECT date_bin('30 minutes', slot, TIMESTAMP '1970-01-01') AS half, node, level, sum(count)
    FROM (
      SELECT slot, node, level, count FROM added UNION ALL SELECT slot, node, level, -count FROM removed
    ) AS changed
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (half, node, level) DO UPDATE SET count = kept.count + excluded.count;
    DELETE FROM "LogLevelCount" AS l USING (
      SELECT DISTINCT date_bin('30 minutes', slot, TIMESTAMP '1970-01-01') AS half, node, level FROM removed
    ) AS key
    WHERE (l.half, l.node, l.level) = (key.half, key.node, key.level) AND l.count = 0;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER add_level_counts AFTER INSERT ON "LogPatternCount"
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION keep_level_counts();
CREATE TRIGGER subtract_level_counts AFTER DELETE ON "LogPatternCount"
  REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION keep_level_counts();
CREATE TRIGGER change_level_counts AFTER UPDATE ON "LogPatternCount"
  REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION keep_level_counts();
CREATE TRIGGER empty_level_counts AFTER TRUNCATE ON "LogPatternCount"
  FOR EACH STATEMENT EXECUTE FUNCTION keep_level_counts();

-- Nobody writes counts until this is committed: creating a trigger has locked the table.
INSERT INTO "LogLevelCount" (half, node, level, count)
SELECT date_bin('30 minutes', slot, TIMESTAMP '1970-01-01'), node, level, sum(count)
FROM "LogPatternCount" GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- Lines of any window: whole half hours from there, and the slots at its two ends from the counts of patterns. `at` begins a
-- half hour or a slot.
CREATE FUNCTION level_counts(since timestamp, until timestamp)
RETURNS TABLE (at timestamp, node varchar, level varchar, count bigint) LANGUAGE sql STABLE AS $$
  SELECT half, node, level, count FROM "LogLevelCount"
  WHERE half >= date_bin('30 minutes', since + interval '1799.999999 seconds', TIMESTAMP '1970-01-01')
    AND half < date_bin('30 minutes', until, TIMESTAMP '1970-01-01')
  UNION ALL
  SELECT slot, node, level, count FROM "LogPatternCount"
  WHERE slot >= since
    AND slot < LEAST(until, date_bin('30 minutes', since + interval '1799.999999 seconds', TIMESTAMP '1970-01-01'))
  UNION ALL
  SELECT slot, node, level, count FROM "LogPatternCount"
  WHERE slot < until AND slot >= GREATEST(
    date_bin('30 minutes', until, TIMESTAMP '1970-01-01'),
    date_bin('30 minutes', since + interval '1799.999999 seconds', TIMESTAMP '1970-01-01'))
$$;
