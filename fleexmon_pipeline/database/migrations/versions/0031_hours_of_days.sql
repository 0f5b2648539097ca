-- Forecasts of frequent patterns read four weeks of them by hour: all counts of their slots, on all nodes. The sums by day
-- get the hours as well. Derived: emptied here and made again the next night; until then counts are added up.
DELETE FROM "SummedDay";
TRUNCATE "LogPatternDay";
ALTER TABLE "LogPatternDay"
  ADD COLUMN hours SMALLINT[] NOT NULL,  -- those with lines, ascending: 0 to 23
  ADD COLUMN lines BIGINT[] NOT NULL;    -- in each of these; they add up to count

-- Gaps are few, and coverage has a row for each slot and node: the first page read all of a month to find them.
CREATE INDEX "LogCoverage_gaps" ON "LogCoverage" (node, slot) WHERE NOT slot_is_known(status);
