-- What lines of a pattern measured: the median and 95th percentile of the durations that up to 64 of a slot's lines state, in
-- milliseconds where the unit is known. NULL where lines state none, and in slots counted by an older release.
ALTER TABLE "LogPatternCount" ADD COLUMN p50 REAL, ADD COLUMN p95 REAL;
