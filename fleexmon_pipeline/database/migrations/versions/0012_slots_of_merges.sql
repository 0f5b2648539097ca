-- "aliasSince" belongs to an alias. Rows without one had the slot of their first line there, which meant nothing and moved.
-- Without an alias it now says since when the id was one under older masks, so that it is one from the same slot again.
UPDATE "LogPattern" SET "aliasSince" = NULL WHERE "aliasOf" IS NULL AND "aliasSince" IS NOT NULL;
