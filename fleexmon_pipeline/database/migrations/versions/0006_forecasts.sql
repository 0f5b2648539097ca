-- A forecast of one hour of one node, made at the end of another. All times are event time.
-- subject: `lines`, `level:error`, `error-rate`, `pattern:1f2e…`: value, low and high are lines or a share of lines;
-- or `crossing:<rule>`: hours from "madeAt" until the rule's threshold is crossed, and `hour` is the last in which it may.
-- low to high: the 80 % interval. "lastHour", "dayBefore": what naive forecasts would have said, to be measured by.
-- hit: NULL until the hour's lines are known to be all there, then whether the interval held; actual is NULL, with hit
-- false, for a threshold that was not crossed. figures: what a crossing was concluded from.
CREATE TABLE "LogForecast" (
  "madeAt"    TIMESTAMP NOT NULL,
  node        VARCHAR NOT NULL,
  subject     VARCHAR NOT NULL,
  horizon     SMALLINT NOT NULL CHECK (horizon > 0),
  hour        TIMESTAMP NOT NULL,
  value       DOUBLE PRECISION NOT NULL,
  low         DOUBLE PRECISION NOT NULL,
  high        DOUBLE PRECISION NOT NULL,
  "lastHour"  DOUBLE PRECISION,
  "dayBefore" DOUBLE PRECISION,
  actual      DOUBLE PRECISION,
  hit         BOOLEAN,
  figures     JSONB,
  PRIMARY KEY ("madeAt", node, subject, horizon)
);
-- Scores look for hour and node; what is old, for the hour.
CREATE INDEX "LogForecast_hour" ON "LogForecast" (hour, node, subject);
CREATE INDEX "LogForecast_crossings" ON "LogForecast" ("madeAt") WHERE figures IS NOT NULL;
