-- Which other node a slow request was at before: the one whose line came before the longest step. NULL if the same node.
ALTER TABLE "LogPatternCount" ADD COLUMN "stepsAfter" text;
