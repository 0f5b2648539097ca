-- Lines of each pattern and node by day, for days that are over: the page of a frequent pattern adds up a few rows a day
-- instead of all its slots. Derived: counting a day's lines anew takes it off "SummedDay", and then its counts are added up.
CREATE TABLE "LogPatternDay" (
  pattern VARCHAR NOT NULL,
  day     DATE NOT NULL,
  node    VARCHAR NOT NULL,
  count   BIGINT NOT NULL,
  PRIMARY KEY (pattern, day, node)
);
CREATE TABLE "SummedDay" (
  day DATE PRIMARY KEY
);
CREATE INDEX "LogPatternDay_day" ON "LogPatternDay" (day);
