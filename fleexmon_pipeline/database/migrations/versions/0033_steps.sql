-- Lines that state no duration measure a step: how long after the previous line of the same request they came.
ALTER TABLE "LogPatternCount" ADD COLUMN steps BOOLEAN NOT NULL DEFAULT false;
