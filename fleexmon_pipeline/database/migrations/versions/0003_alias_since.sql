-- A merge counts from the slot in which it arose: a rerun of an earlier slot groups as its first run did. NULL is always:
-- aliases of older releases, and of ids that an older mask version gave out.
ALTER TABLE "LogPattern" ADD COLUMN "aliasSince" TIMESTAMP;
